"""Files in the format of Docker's ``config.json``, which podman's ``auth.json`` shares."""

import base64
import binascii
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from storage.remote.credential_helper import CredentialHelper
from storage.remote.credentials import DOCKER_HUB, Credentials, CredentialsUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: How Docker names Docker Hub there.
_DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"
_DOCKER_HUB_HOSTS: Final = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})


def find_credentials(files: "Iterable[Path]", registry: str, repository: str) -> Credentials | None:
    """Look a repository up in each file in turn. Raises CredentialsUnreadable."""
    for file in files:
        found = DockerConfig(file).find(registry, repository)
        if found is not None:
            return found
    return None


class _Entry(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _Content(msgspec.Struct):
    auths: dict[str, _Entry] | None = None
    helpers: dict[str, str] | None = msgspec.field(name="credHelpers", default=None)
    store: str = msgspec.field(name="credsStore", default="")


class DockerConfig:
    """Where ``docker login`` keeps credentials: in the file, or with the credential helper that the file names.

    Every method raises CredentialsUnreadable if the file is there and is not of that form, or if its helper fails, and
    OSError if it cannot be written. No file is as good as an empty one.
    """

    def __init__(self, path: "Path") -> None:
        self.path = path

    def find(self, registry: str, repository: str = "") -> Credentials | None:
        """Look up the credentials for a repository, or those for the registry as a whole.

        Docker knows only the latter. A key of podman's may lead to a namespace or repository; the longest that fits is
        taken (containers-auth.json(5)).
        """
        content = self._decode(self._read())
        helper = self._registry_helper(content, registry)
        if helper is not None:
            return _ask(helper, registry)
        for key in _namespaces(registry, repository):
            if found := self._find_entry(content, key):
                return found
        if content.store and (found := _ask(CredentialHelper(content.store, self.path), registry)):
            return found
        for key in _registry_keys(content.auths or {}, registry):
            if found := self._find_entry(content, key):
                return found
        return None

    def store(self, registry: str, credentials: Credentials) -> str:
        """Keep the credentials of a registry in place of those it had; the name of the helper that has them, or ``""``.

        The rest of the file stays as it is, and is never half written.
        """
        key = _keys(registry)[0]
        with self._changing() as (raw, content):
            helper = self._helper(content, registry)
            auths = raw.setdefault("auths", {})
            for old in _registry_keys(auths, registry):
                del auths[old]
            # Docker notes there, too, whom its helper knows.
            auths[key] = {} if helper else _write_entry(credentials)
            if helper:
                helper.store(key, credentials)
        return helper.name if helper else ""

    def erase(self, registry: str) -> bool:
        """Forget the credentials of a registry; false if there were none."""
        if not self.path.exists():
            return False
        with self._changing() as (raw, content):
            known = False
            if helper := self._helper(content, registry):
                for key in _keys(registry):
                    if helper.get(key) is not None:
                        helper.erase(key)
                        known = True
            for key in _registry_keys(content.auths or {}, registry):
                del raw["auths"][key]
                known = True
        return known

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            # Of a directory that is for another user, such as one that su has left in XDG_RUNTIME_DIR, no file is ours.
            if isinstance(error, PermissionError) and not os.path.lexists(self.path):
                return b""
            raise CredentialsUnreadable(f"{self.path} cannot be read: {error.strerror}") from error

    def _decode(self, raw: bytes) -> _Content:
        try:
            return msgspec.json.decode(raw, type=_Content) if raw.strip() else _Content()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CredentialsUnreadable(f"{self.path} is no configuration of Docker's: {error}") from error

    @contextmanager
    def _changing(self) -> "Iterator[tuple[dict[str, Any], _Content]]":
        """Give the content, to be changed in the first of its two forms; it is written if it was."""
        from storage.lock import alone  # noqa: PLC0415 - only logins write

        # Like Docker, keep a link to a file that lies elsewhere.
        path = self.path.resolve()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(f"{path.parent}/.{path.name}.lock"):
            before = self._read()
            content = self._decode(before)
            raw: dict[str, Any] = json.loads(before) if before.strip() else {}
            if raw.get("auths", {}) is None:
                del raw["auths"]
            old = json.dumps(raw)
            yield raw, content
            if json.dumps(raw) != old:
                _write(path, json.dumps(raw, indent="\t", ensure_ascii=False).encode())

    def _registry_helper(self, content: _Content, registry: str) -> CredentialHelper | None:
        helpers = content.helpers or {}
        for key in _registry_keys(helpers, registry):
            if helpers[key]:
                return CredentialHelper(helpers[key], self.path)
        return None

    def _helper(self, content: _Content, registry: str) -> CredentialHelper | None:
        general = CredentialHelper(content.store, self.path) if content.store else None
        return self._registry_helper(content, registry) or general

    def _find_entry(self, content: _Content, key: str) -> Credentials | None:
        entry = (content.auths or {}).get(key, _Entry())
        user, password = entry.username, entry.password
        if entry.auth:
            try:
                decoded = base64.b64decode(entry.auth, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise CredentialsUnreadable(
                    f"{self.path}: the auth of {key!r} is not base64: log in to it again, or remove it there"
                ) from error
            user, _, password = decoded.rstrip("\0").partition(":")
        if not user and not entry.identitytoken:
            return None
        return Credentials(user, password, entry.identitytoken)


def _ask(helper: CredentialHelper, registry: str) -> Credentials | None:
    return next((found for key in _keys(registry) if (found := helper.get(key)) is not None), None)


def _keys(registry: str) -> tuple[str, ...]:
    """Name a registry as Docker does, and as podman does where that is something else."""
    return (_DOCKER_HUB_KEY, DOCKER_HUB) if registry == DOCKER_HUB else (registry,)


def _registry_keys(keys: "Iterable[str]", registry: str) -> list[str]:
    """Choose the keys that stand for a registry as a whole, ``https://registry.example/v1/`` too; exact ones first."""
    fitting = [key for key in keys if _host(key) == registry]
    return sorted(fitting, key=lambda key: key not in _keys(registry))


def _host(key: str) -> str:
    """Reduce a URL, which is what Docker once wrote, to its host, and the hosts of Docker Hub to its name."""
    host = key.partition("://")[2].partition("/")[0] if "://" in key else key
    return DOCKER_HUB if host in _DOCKER_HUB_HOSTS else host


def _namespaces(registry: str, repository: str) -> "Iterator[str]":
    """Name a repository and what it lies in, up to the registry, which is not among them."""
    parts = repository.split("/") if repository else []
    for count in range(len(parts), 0, -1):
        yield "/".join((registry, *parts[:count]))


def _write_entry(credentials: Credentials) -> dict[str, str]:
    auth = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
    token = {"identitytoken": credentials.identity_token} if credentials.identity_token else {}
    return {"auth": auth, **token}


def _write(path: "Path", content: bytes) -> None:
    """Put a file that its owner alone can read in the place of another, whole and durable."""
    import tempfile  # noqa: PLC0415 - slow, and only logins write

    descriptor, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            if os.geteuid() == 0 and path.exists():
                # Under sudo the file may be another user's, who shall go on to read it.
                os.fchown(descriptor, path.stat().st_uid, path.stat().st_gid)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
    except BaseException:
        os.unlink(new)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
