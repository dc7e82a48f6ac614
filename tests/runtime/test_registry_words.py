"""What is said of registries that cannot be used: what is wrong with which, and what cures it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.parts import server as server_part
from tests.parts import tls
from tests.parts.accounts import password, settings
from tests.parts.canned import answering
from tests.parts.distribution import distribution
from tests.parts.images import data, push, write_docker_archive
from tests.parts.nginx import proxying
from tests.parts.process import running
from tests.parts.server import Server
from tests.parts.tls import Authority
from tests.parts.wire import Wire
from tests.runtime.conftest import Preg

IMAGE = data("words", layers=1, size=100)


@contextmanager
def with_tls(folder: Path, authority: Authority) -> Iterator[Server]:
    """Our registry with a certificate."""
    config = folder / "config.toml"
    config.write_text(f'[tls]\ncertificate = "{authority.certificate}"\nkey = "{authority.key}"\n')
    with server_part.serving(folder / "storage", config) as running:
        yield running


def load(preg: Preg, name: str) -> str:
    """Have an image on the host; its name."""
    preg.home.mkdir(exist_ok=True)
    preg.ok("load", "-q", "-i", str(write_docker_archive(preg.home / "image.tar", IMAGE, name)))
    return name


@pytest.mark.parametrize(
    ("names", "validity", "said"),
    [
        ((), {"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, "its certificate has expired (or this host's clock is"),
        ((), {"not_before": datetime(2999, 1, 1, tzinfo=UTC)}, "its certificate is not valid yet (or this host's"),
        (("other.test", "10.9.9.9"), {}, "its certificate is for another name: "),
    ],
    ids=["expired", "not yet", "another name"],
)
def test_what_is_wrong_with_a_certificate_is_said(
    preg: Preg, tmp_path: Path, names: tuple[str, ...], validity: dict[str, datetime], said: str
) -> None:
    authority = tls.issue(tmp_path / "tls", *names, **validity)
    trusting = replace(preg, variables={"SSL_CERT_FILE": str(authority.ca)})
    with with_tls(tmp_path, authority) as server:
        told = trusting.fails("pull", "--tls-verify", f"{server.address}/team/app:1")
    assert f"the registry {server.address} cannot be reached: {server.address}: {said}" in told
    assert told.endswith("; to do without this check, use --tls-verify=false")


def test_a_registry_with_tls_that_is_asked_without_is_told(preg: Preg, tmp_path: Path, authority: Authority) -> None:
    with with_tls(tmp_path, authority) as server, proxying(tmp_path / "nginx", server.address, authority) as nginx:
        assert preg.fails("pull", "--plain-http", f"{server.address}/a").endswith(
            "if it speaks TLS, leave out --plain-http"
        )
        told = preg.fails("pull", "--plain-http", f"{nginx.tls}/a")
        assert told == f"{nginx.tls} does not take plain HTTP: if it speaks TLS, leave out --plain-http"


def test_a_name_that_leads_nowhere_and_a_port_without_a_server_are_told(preg: Preg) -> None:
    assert "the name nowhere.invalid cannot be resolved: " in preg.fails("pull", "nowhere.invalid/a")
    for host in ("127.0.0.1", "localhost", "[::1]"):
        told = preg.fails("pull", f"{host}:1/a")
        assert told == (
            f"the registry {host}:1 cannot be reached: {host}:1: nothing listens there (connection refused)"
        )


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server that is no registry."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "v2").mkdir()
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with running(command) as process:
        said = process.stdout.wait_for(lambda line: line.startswith("Serving HTTP on "))
        yield f"127.0.0.1:{said.split()[5]}"


def test_what_is_no_registry_is_called_so(web: str, preg: Preg) -> None:
    no_registry = f"{web} is not a registry: it answers /v2/ with HTTP status 200 and a web page"
    name = load(preg, f"{web}/team/app:1")
    for words in (("pull", name), ("pull", "-a", f"{web}/team/app"), ("push", name)):
        assert preg.fails(*words).startswith(no_registry), words
    done = preg.run("login", "-u", "a", "-p", "b", web)
    assert (done.returncode, done.stdout) == (1, "")
    assert no_registry in done.stderr


def test_a_host_without_the_interface_is_no_registry(preg: Preg, tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with running(command) as process:
        said = process.stdout.wait_for(lambda line: line.startswith("Serving HTTP on "))
        web = f"127.0.0.1:{said.split()[5]}"
        told = f"{web} is not a registry: it answers /v2/ with HTTP status 404 and a web page; check its name and port"
        assert preg.fails("pull", f"{web}/team/app:1") == told


REGISTRIES: dict[str, Callable[[Path], AbstractContextManager[Wire]]] = {
    "preg": server_part.serving,
    "2.8.2": lambda storage: distribution("2.8.2", storage),
    "3.1.1": lambda storage: distribution("3.1.1", storage),
}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_a_missing_repository_is_told_from_a_missing_tag(registry: str, preg: Preg, tmp_path: Path) -> None:
    with REGISTRIES[registry](tmp_path) as wire:
        address = wire.url.removeprefix("http://")
        push(wire, "team/app", "1", IMAGE)
        assert preg.fails("pull", f"{address}/team/app:2") == f"{address}/team/app has no tag 2"
        assert preg.fails("pull", f"{address}/team/other:1") == f"{address} has no repository team/other"
        assert preg.fails("pull", "-a", f"{address}/team/other").endswith(": repository name not known to registry")
        missing = f"team/app@sha256:{'0' * 64}"
        assert preg.fails("pull", f"{address}/{missing}") == (
            f"{address}/team/app holds no manifest {missing.partition('@')[2]}"
        )


@pytest.mark.parametrize("mode", ["token", "htpasswd"])
def test_a_refusal_names_who_what_and_where(mode: str, preg: Preg, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(settings(tmp_path, mode))
    with server_part.serving(tmp_path / "storage", config) as server:
        registry = server.address
        name = load(preg, f"{registry}/team/app:1")
        said = preg.fails("push", name)
        assert said.startswith(f"{registry}: without a login you may not push to team/app: ")
        assert said.endswith(f"; log in with preg login {registry}")
        said = preg.fails("pull", name)
        assert said.startswith(
            f"{registry}: without a login you may not pull team/app, or there is no such repository: "
        )

        preg.ok("login", "-u", "reader", "--password-stdin", registry, stdin=password("reader"))
        said = preg.fails("push", name)
        assert said.startswith(f"{registry}: 'reader' may not push to team/app: ")
        assert said.endswith("; the login you have does not allow it")

        done = preg.run("login", "-u", "reader", "-p", "guess-it", registry)
        assert f"{registry} does not let 'reader' in: " in done.stderr
        assert "guess-it" not in done.stderr


def test_a_store_that_a_registry_sends_us_to_is_named(preg: Preg) -> None:
    """What the store refuses is not the registry's refusal, and no login cures it."""
    with answering(403, b"<Error><Code>AccessDenied</Code></Error>") as store:
        location = {"Location": f"{store.endpoint}/blob"}
        with answering(307, b"", location) as registry:
            address = registry.endpoint.removeprefix("http://")
            said = preg.fails("pull", f"{address}/team/app:1")
    where = store.endpoint.removeprefix("http://")
    assert (
        said
        == f"{where}, which {address} sends us to, answers: HTTP status 403: requested access to the resource is denied"
    )
