"""Other people's clients (and ours), each as somebody who logs in to one registry and has something to push there."""

import os
import tempfile
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

from tests.parts import docker as docker_part
from tests.parts.containerd import Containerd
from tests.parts.containers import Storage
from tests.parts.images import data, write_docker_archive, write_oci_layout
from tests.parts.process import output, run
from tests.parts.required import required
from tests.runtime.conftest import Preg

Done = CompletedProcess[str]


class Client(ABC):
    """A client that keeps what it keeps below ``folder``. Names are REGISTRY/REPOSITORY:TAG, tags versions as 1.0.0."""

    #: Whether a login is tried at the registry; others notice a wrong password when it is used.
    tries_login = True

    def __init__(self, registry: str, folder: Path) -> None:
        self.registry = registry
        self.folder = folder
        # Nobody else's: docker and podman know of each layer where they have ever pushed it.
        self.image = data(str(folder), layers=2, size=1000)

    def _layout(self) -> Path:
        """The image as an OCI layout, under the tag 1."""
        layout = self.folder / "layout"
        return layout if layout.exists() else write_oci_layout(layout, self.image, "1")

    @abstractmethod
    def log_in(self, user: str, password: str) -> Done:
        """Log in to the registry."""

    @abstractmethod
    def log_out(self) -> Done:
        """Forget the login."""

    @abstractmethod
    def push(self, name: str) -> Done:
        """Push something of our own."""

    @abstractmethod
    def pull(self, name: str) -> Done:
        """Fetch what was pushed, though it is here."""


class Docker(Client):
    """docker; its engine is shared, its configuration is not."""

    def __init__(self, registry: str, folder: Path, engine: docker_part.Docker) -> None:
        super().__init__(registry, folder)
        self.docker = replace(engine, folder=folder)
        self.config = folder / "client/config.json"

    def log_in(self, user: str, password: str) -> Done:
        return self.docker.run("login", "--username", user, "--password-stdin", self.registry, stdin=password)

    def log_out(self) -> Done:
        return self.docker.run("logout", self.registry)

    def push(self, name: str) -> Done:
        self.docker.load(self.image, name)
        return self.docker.run("push", name)

    def pull(self, name: str) -> Done:
        self.docker.forget()
        return self.docker.run("pull", name)


class Podman(Client):
    """podman."""

    def __init__(self, registry: str, folder: Path) -> None:
        super().__init__(registry, folder)
        self._podman = Storage("podman", folder)
        self._login = f"--authfile={folder / 'auth.json'}"

    def _with_login(self, command: str, *arguments: str, stdin: str | None = None) -> Done:
        return self._podman.attempt(command, "--tls-verify=false", self._login, *arguments, stdin=stdin)

    def log_in(self, user: str, password: str) -> Done:
        return self._with_login("login", f"--username={user}", "--password-stdin", self.registry, stdin=password)

    def log_out(self) -> Done:
        return self._podman.attempt("logout", self._login, self.registry)

    def push(self, name: str) -> Done:
        self._podman("load", f"--input={write_docker_archive(self.folder / 'image.tar', self.image, name)}")
        return self._with_login("push", name)

    def pull(self, name: str) -> Done:
        self._podman("rmi", "--all", "--force")
        return self._with_login("pull", name)


class Skopeo(Client):
    """skopeo."""

    def _with_login(self, command: str, *arguments: str, stdin: str | None = None) -> Done:
        login = f"--authfile={self.folder / 'auth.json'}"
        return run(required("skopeo"), command, login, *arguments, stdin=stdin)

    def log_in(self, user: str, password: str) -> Done:
        plain = "--tls-verify=false"
        return self._with_login("login", plain, f"--username={user}", "--password-stdin", self.registry, stdin=password)

    def log_out(self) -> Done:
        return self._with_login("logout", self.registry)

    def push(self, name: str) -> Done:
        layout = self._layout()
        return self._with_login("copy", "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{name}")

    def pull(self, name: str) -> Done:
        target = f"oci:{_empty(self.folder)}:1"
        return self._with_login("copy", "--src-tls-verify=false", f"docker://{name}", target)


class Crane(Client):
    """crane."""

    tries_login = False

    def _run(self, *arguments: str, stdin: str | None = None) -> Done:
        env = {**os.environ, "DOCKER_CONFIG": str(self.folder)}
        return run(required("crane"), *arguments, env=env, stdin=stdin)

    def log_in(self, user: str, password: str) -> Done:
        return self._run("auth", "login", self.registry, f"--username={user}", "--password-stdin", stdin=password)

    def log_out(self) -> Done:
        return self._run("auth", "logout", self.registry)

    def push(self, name: str) -> Done:
        return self._run("push", str(self._layout()), name)

    def pull(self, name: str) -> Done:
        return self._run("pull", "--format=oci", name, str(_empty(self.folder)))


class Oras(Client):
    """oras."""

    def _run(self, *arguments: str, stdin: str | None = None) -> Done:
        return run(required("oras"), *arguments, stdin=stdin)

    @property
    def _login(self) -> str:
        return f"--registry-config={self.folder / 'config.json'}"

    def log_in(self, user: str, password: str) -> Done:
        options = ("--plain-http", self._login, f"--username={user}", "--password-stdin")
        return self._run("login", *options, self.registry, stdin=password)

    def log_out(self) -> Done:
        return self._run("logout", self._login, self.registry)

    def push(self, name: str) -> Done:
        to = f"--to-registry-config={self.folder / 'config.json'}"
        return self._run("cp", "--from-oci-layout", "--to-plain-http", to, f"{self._layout()}:1", name)

    def pull(self, name: str) -> Done:
        of = f"--from-registry-config={self.folder / 'config.json'}"
        return self._run("cp", "--from-plain-http", of, "--to-oci-layout", name, f"{_empty(self.folder)}:1")


class Helm(Client):
    """helm, which pushes charts: the last part of a repository's name is the chart's, the tag its version."""

    def _run(self, *arguments: str, stdin: str | None = None) -> Done:
        # It has several directories below the home one.
        env = {**os.environ, "HOME": str(self.folder), "HELM_REGISTRY_CONFIG": str(self.folder / "config.json")}
        return run(required("helm"), *arguments, env=env, stdin=stdin)

    def log_in(self, user: str, password: str) -> Done:
        options = ("--plain-http", f"--username={user}", "--password-stdin")
        return self._run("registry", "login", *options, self.registry, stdin=password)

    def log_out(self) -> Done:
        return self._run("registry", "logout", self.registry)

    def push(self, name: str) -> Done:
        repository, _, version = name.rpartition(":")
        space, _, chart = repository.rpartition("/")
        source = self.folder / chart
        source.mkdir(exist_ok=True)
        (source / "Chart.yaml").write_text(f"apiVersion: v2\nname: {chart}\nversion: {version}\n")
        output(required("helm"), "package", str(source), f"--destination={self.folder}")
        return self._run("push", "--plain-http", str(self.folder / f"{chart}-{version}.tgz"), f"oci://{space}")

    def pull(self, name: str) -> Done:
        repository, _, version = name.rpartition(":")
        target = f"--destination={_empty(self.folder)}"
        return self._run("pull", "--plain-http", f"oci://{repository}", f"--version={version}", target)


class Ctr(Client):
    """containerd's ctr, which is told user and password each time."""

    tries_login = False

    def __init__(self, registry: str, folder: Path, containerd: Containerd) -> None:
        super().__init__(registry, folder)
        self._containerd = containerd
        self._login: tuple[str, ...] = ()

    def _run(self, *arguments: str) -> Done:
        return self._containerd.ctr("images", *arguments)

    def log_in(self, user: str, password: str) -> Done:
        self._login = (f"--user={user}:{password}",)
        return self._run("list")

    def log_out(self) -> Done:
        self._login = ()
        return self._run("list")

    def push(self, name: str) -> Done:
        archive = write_docker_archive(self.folder / "image.tar", self.image, name)
        imported = self._run("import", "--no-unpack", str(archive))
        assert imported.returncode == 0, imported.stderr
        return self._run("push", "--plain-http", *self._login, name)

    def pull(self, name: str) -> Done:
        self._run("remove", "--sync", name)
        return self._run("pull", "--plain-http", "--snapshotter=native", *self._login, name)


class OurOwn(Client):
    """preg, which pushes what it has pulled: an image that ``origin`` gives to everybody."""

    def __init__(self, registry: str, folder: Path, origin: str) -> None:
        super().__init__(registry, folder)
        self._preg = Preg(folder)
        self._preg.ok("pull", origin)
        self._origin = origin

    def log_in(self, user: str, password: str) -> Done:
        return self._preg.run("login", "--username", user, "--password-stdin", self.registry, stdin=password)

    def log_out(self) -> Done:
        return self._preg.run("logout", self.registry)

    def push(self, name: str) -> Done:
        return self._preg.run("push", self._origin, name)

    def pull(self, name: str) -> Done:
        return self._preg.run("pull", name)


#: Those that need nothing but their program.
PLAIN = {"podman": Podman, "skopeo": Skopeo, "crane": Crane, "oras": Oras, "helm": Helm}


def _empty(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="pulled-", dir=folder))
