"""Images that come and go through a proxy with a password, as from inside a company."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.parts import server as server_part
from tests.parts.accounts import password, settings
from tests.parts.images import MANIFEST, data, push, write_docker_archive
from tests.parts.process import run
from tests.parts.required import required
from tests.parts.server import Server
from tests.parts.squid import OTHER_NAME, PASSWORD, USER, Squid, proxying
from tests.parts.tls import NAME, Authority
from tests.parts.wire import sha256
from tests.runtime.conftest import Preg

IMAGE = data("through a proxy", layers=2, size=1 << 20)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Squid]:
    with proxying() as squid:
        yield squid


@pytest.fixture
def inside(preg: Preg, proxy: Squid) -> Preg:
    """preg where the proxy alone leads to registries."""
    return replace(preg, variables=proxy.variables())


def port(server: Server) -> str:
    return server.url.rpartition(":")[2]


def trust(preg: Preg, registry: str, authority: Authority) -> None:
    """Give preg a registry's authority as docker is given it."""
    folder = preg.home / "config/docker/certs.d" / registry
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.ca.read_bytes())


def load(preg: Preg, name: str) -> None:
    """Have an image on the host."""
    preg.home.mkdir(exist_ok=True)
    preg.ok("load", "-q", "-i", str(write_docker_archive(preg.home / "image.tar", IMAGE, name)))


@pytest.fixture
def guarded(tmp_path: Path, authority: Authority) -> Iterator[Server]:
    """A registry with TLS and a token server of its own."""
    config = tmp_path / "config.toml"
    tls = f'[tls]\ncertificate = "{authority.certificate}"\nkey = "{authority.key}"\n'
    config.write_text(settings(tmp_path, "token") + tls)
    with server_part.serving(tmp_path / "storage", config) as running:
        yield running


def test_an_image_is_pushed_and_pulled_with_a_login_through_a_tunnel(
    guarded: Server, inside: Preg, proxy: Squid, authority: Authority
) -> None:
    registry = f"{NAME}:{port(guarded)}"
    trust(inside, registry, authority)
    before = len(proxy.requests())
    load(inside, f"{registry}/team/app:1")
    inside.ok("login", "-u", "writer", "--password-stdin", registry, stdin=password("writer"))
    assert inside.ok("push", f"{registry}/team/app:1").startswith(f"{registry}/team/app:1 is ")
    inside.ok("rmi", "-f", f"{registry}/team/app:1")
    inside.ok("pull", f"{registry}/team/app:1")
    asked = proxy.requests()[before:]
    assert {request[:2] for request in asked if request[2] == 200} == {("CONNECT", registry)}
    assert {user for *_, status, user in asked if status == 200} == {USER}


def test_plain_http_is_passed_on_by_the_proxy(server: Server, repository: str, inside: Preg, proxy: Squid) -> None:
    registry = f"{NAME}:{port(server)}"
    push(server, repository, "1", IMAGE)
    name = f"{registry}/{repository}"
    before = len(proxy.requests())
    assert inside.ok("pull", "--plain-http", f"{name}:1") == f"{name}:1 is {IMAGE.digest}\n"
    inside.ok("push", "--plain-http", f"{name}:1", f"{name}-copy:1")
    assert server.stored(f"{repository}-copy", "1").manifest == IMAGE.manifest
    asked = proxy.requests()[before:]
    assert ("GET", f"http://{registry}/v2/{repository}/manifests/1", 200, USER) in asked
    assert all(url.startswith(f"http://{registry}/v2/") for _, url, _, _ in asked)


def test_a_new_blob_streams_through_the_proxy(server: Server, repository: str, inside: Preg) -> None:
    name = f"{NAME}:{port(server)}/{repository}:1"
    load(inside, name)
    inside.ok("push", "--plain-http", name)
    assert [layer["mediaType"] for layer in server.stored(repository, "1").json()["layers"]]


def test_a_proxy_that_speaks_tls_is_used(server: Server, repository: str, preg: Preg, authority: Authority) -> None:
    push(server, repository, "1", IMAGE)
    name = f"{NAME}:{port(server)}/{repository}:1"
    with proxying(authority) as squid:
        inside = replace(preg, variables=squid.variables())
        said = inside.fails("pull", "--plain-http", name)
        assert f"the proxy {squid.url}: 127.0.0.1:{squid.port}: its certificate is of an authority that" in said
        trusting = replace(preg, variables={**squid.variables(), "SSL_CERT_FILE": str(authority.ca)})
        trusting.ok("pull", "--plain-http", name)
        # TLS within TLS; the registry does not speak it.
        assert "does not speak TLS" in trusting.fails("pull", name)
        assert squid.requests()[-1][:3] == ("CONNECT", f"{NAME}:{port(server)}", 200)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "tunnel"])
def test_a_wrong_password_is_told_and_none_is_shown(server: Server, preg: Preg, proxy: Squid, plain: bool) -> None:
    name, options = f"{NAME}:{port(server)}/a:1", ("--plain-http",) if plain else ()
    wrong = f"http://{USER}:guess-it@127.0.0.1:{proxy.port}"
    for url, said in ((proxy.url, "asks for a user and password"), (wrong, "refuses the user and password")):
        inside = replace(preg, variables={"HTTP_PROXY": url, "HTTPS_PROXY": url})
        done = inside.run("pull", *options, name)
        assert done.returncode == 1
        assert f"the proxy {proxy.url} {said}: write http://USER:PASSWORD@127.0.0.1:{proxy.port}" in done.stderr
        assert "guess-it" not in done.stderr + done.stdout


def test_what_lies_behind_the_proxy_and_does_not_answer_is_told(inside: Preg, proxy: Squid) -> None:
    said = inside.fails("pull", f"{NAME}:1/a")
    assert said.endswith(f"the proxy {proxy.url} gives no connection to {NAME}:1: HTTP status 503")
    assert PASSWORD not in said


def test_without_a_port_plain_http_is_tried_where_nothing_answers_to_tls(inside: Preg, proxy: Squid) -> None:
    before = len(proxy.requests())
    path = inside.home / "config/preg/runtime.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'insecure-registries = ["{NAME}"]\n')
    done = inside.run("login", "-u", "a", "--password-stdin", NAME, stdin="b")
    assert done.stderr == f"preg: {NAME} answers GET /v2/ through the proxy {proxy.url}: HTTP status 503\n"
    assert [url for _, url, _, _ in proxy.requests()[before:]] == [f"{NAME}:443", f"http://{NAME}/v2/"]


def test_a_proxy_that_does_not_answer_is_told(preg: Preg) -> None:
    inside = replace(preg, variables={"HTTPS_PROXY": f"http://{USER}:secret@127.0.0.1:1"})
    said = inside.fails("pull", f"{NAME}:1/a")
    assert "the proxy http://127.0.0.1:1: 127.0.0.1:1: nothing listens there" in said
    assert "secret" not in said


def test_what_is_excepted_and_this_host_are_reached_without(
    server: Server, repository: str, inside: Preg, proxy: Squid
) -> None:
    push(server, repository, "1", IMAGE)
    before = proxy.requests()
    inside.ok("pull", "-q", f"{server.address}/{repository}:1")
    for exception in (NAME, ".test", "other.test,*"):
        variables = {**inside.variables, "no_proxy": exception}
        said = replace(inside, variables=variables).fails("pull", f"{NAME}:{port(server)}/a")
        assert f"the name {NAME} cannot be resolved" in said
    assert proxy.requests() == before


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("socks5://u:secret@proxy:1", "HTTPS_PROXY names a SOCKS proxy, which is not supported"),
        ("ftp://u:secret@proxy:1", "HTTPS_PROXY is no URL of a proxy"),
        ("http://u:sec/ret@proxy:1", "HTTPS_PROXY is no URL of a proxy"),
        ("http://u:secret@proxy:port", "HTTPS_PROXY is no URL of a proxy"),
    ],
)
def test_what_is_no_proxy_is_refused_and_not_shown(preg: Preg, value: str, said: str) -> None:
    done = replace(preg, variables={"HTTPS_PROXY": value}).fails("pull", f"{NAME}/a")
    assert said in done
    assert "sec" not in done


async def test_a_redirect_to_a_store_goes_by_the_proxy_of_its_own_url(inside: Preg, proxy: Squid) -> None:
    """And takes neither the registry's nor the proxy's credentials along."""
    seen: list[tuple[str, str, bool]] = []

    async def serve(request: web.Request) -> web.Response:
        secret = bool({"Authorization", "Proxy-Authorization"} & set(request.headers))
        seen.append((request.host.partition(":")[0], request.path.rpartition("/")[2], secret))
        last = request.path.rpartition("/")[2]
        if "/blobs/" in request.path and request.method == "GET":
            raise web.HTTPTemporaryRedirect(f"http://{OTHER_NAME}:{registry.port}/store/{last}")
        content = {IMAGE.digest: IMAGE.manifest, **IMAGE.blobs}.get(last, IMAGE.manifest)
        return web.Response(body=content, content_type=MANIFEST, headers={"Docker-Content-Digest": sha256(content)})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    async with TestServer(application, host="127.0.0.1") as registry:
        before = len(proxy.requests())
        name = f"{NAME}:{registry.port}/team/app:1"
        await asyncio.to_thread(inside.ok, "pull", "--plain-http", name)
        assert {(host, secret) for host, _, secret in seen} == {(NAME, False), (OTHER_NAME, False)}
        stored = {url for _, url, _, _ in proxy.requests()[before:] if OTHER_NAME in url}
        assert stored == {f"http://{OTHER_NAME}:{registry.port}/store/{digest}" for digest in IMAGE.blobs}


def test_a_mirror_is_reached_through_the_proxy_too(server: Server, repository: str, inside: Preg, proxy: Squid) -> None:
    push(server, repository, "1", IMAGE)
    path = inside.home / "config/preg/runtime.toml"
    path.parent.mkdir(parents=True)
    path.write_text(
        f'[[mirror]]\nregistry = "registry.example"\nhosts = ["{NAME}:{port(server)}"]\nplain-http = true\n'
    )
    assert inside.ok("pull", "-q", f"registry.example/{repository}:1") == f"registry.example/{repository}:1\n"
    assert f"http://{NAME}:{port(server)}/v2/{repository}/manifests/1" in {url for _, url, _, _ in proxy.requests()}


def test_docker_reads_the_same_variables(server: Server, repository: str, preg: Preg, proxy: Squid) -> None:
    """skopeo, which takes them as docker's engine does, is a witness that the set-up is right."""
    push(server, repository, "1", IMAGE)
    command = (required("skopeo"), "inspect", "--tls-verify=false", f"docker://{NAME}:{port(server)}/{repository}:1")
    environ = {**os.environ, **proxy.variables()}
    assert run(*command, env=environ).returncode == 0
    assert run(*command, env={**environ, "NO_PROXY": ".test"}).returncode != 0
