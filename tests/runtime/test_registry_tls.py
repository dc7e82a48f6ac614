"""Registries with TLS and without, as docker, podman and containerd are told of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from tests.parts import server as server_part
from tests.parts.distribution import distribution
from tests.parts.images import data, push
from tests.parts.netns import netns
from tests.parts.process import running
from tests.parts.server import SERVE, Server
from tests.parts.squid import Squid, proxying
from tests.parts.tls import NAME, Authority
from tests.runtime.conftest import Preg

IMAGE = data("over TLS", layers=3, size=1000)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Squid]:
    """What alone leads to registries by another name than this host's."""
    with proxying() as squid:
        yield squid


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    """A registry with TLS on this host, whose authority nobody trusts, with an image."""
    folder = tmp_path_factory.mktemp("secure")
    config = folder / "config.toml"
    config.write_text(f'[tls]\ncertificate = "{authority.certificate}"\nkey = "{authority.key}"\n')
    with server_part.serving(folder / "storage", config) as running:
        push(replace(running, tls=authority.client()), "team/app", "1", IMAGE)
        yield running


@pytest.fixture
def plain(server: Server) -> Server:
    """A registry without TLS on this host, with the same image."""
    push(server, "team/app", "1", IMAGE)
    return server


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_on_this_host_tls_is_tried_first_and_done_without_where_there_is_none(
    secure: Server, plain: Server, preg: Preg
) -> None:
    for server in (secure, plain):
        name = f"{server.address}/team/app"
        assert preg.ok("pull", f"{name}:1") == f"{name}:1 is {IMAGE.digest}\n"
        preg.ok("push", f"{name}:1", f"{name}:2")
        preg.ok("rmi", "-f", IMAGE.config_digest)


def test_what_a_registry_speaks_is_found_out_once(plain: Server, preg: Preg) -> None:
    push(plain, "team/app", "2", IMAGE)

    def attempts() -> int:
        # What is no request is the beginning of TLS.
        return sum('"method":"UNKNOWN"' in line.replace(" ", "") for line in plain.process.stderr)

    before = attempts()
    preg.ok("pull", "--all-tags", f"{plain.address}/team/app")
    with plain.recording():
        pass
    assert attempts() == before + 1


def test_who_insists_on_tls_gets_it_checked(secure: Server, plain: Server, preg: Preg) -> None:
    for insisting in ("--plain-http=false", "--tls-verify", "--tls-verify=true"):
        said = preg.fails("pull", insisting, f"{plain.address}/team/app:1")
        assert f"{plain.address} does not speak TLS" in said
        said = preg.fails("pull", insisting, f"{secure.address}/team/app:1")
        assert "its certificate is of an authority that is not known here: put the authority's certificate into" in said
        assert f"docker/certs.d/{secure.address}/ca.crt, or, " in said
        assert said.endswith("to do without this check, use --tls-verify=false")
    preg.ok("pull", "--plain-http=false", "--tls-verify=false", f"{secure.address}/team/app:1")
    assert "exclude each other" in preg.fails("pull", "--plain-http", "--tls-verify", secure.address + "/a", status=2)


@pytest.mark.parametrize("command", ["pull", "push", "create", "login"])
def test_each_command_can_insist(command: str, secure: Server, preg: Preg, authority: Authority) -> None:
    name = f"{secure.address}/team/app:1"
    preg.ok("pull", name)
    words = {
        "pull": ("pull",),
        "push": ("push",),
        "create": ("create", "--runtime", "true", "--pull", "always"),
        "login": ("login", "-u", "a", "-p", "b"),
    }[command]
    target = secure.address if command == "login" else name
    done = preg.run(*words, "--tls-verify", target)
    assert done.returncode != 0
    assert "authority that is not known here" in done.stderr
    trusting = replace(preg, variables={"SSL_CERT_FILE": str(authority.ca)})
    trusting.ok(*words, "--tls-verify", target)


#: Where an authority may be named, by a function of the home, the registry and the authority.
PLACES: dict[str, Callable[[Path, str, Path], None]] = {
    "docker": lambda home, registry, ca: write(home / "docker/certs.d" / registry / "any.crt", ca.read_text()),
    "podman": lambda home, registry, ca: write(home / "containers/certs.d" / registry / "ca.crt", ca.read_text()),
    "containerd": lambda home, registry, ca: write(
        home / f"containerd/certs.d/{registry}/hosts.toml", f'server = "https://{registry}"\nca = "{ca}"\n'
    ),
    "containerd's other name": lambda home, registry, ca: write(
        home / f"containerd/certs.d/{registry.replace(':', '_')}_/hosts.toml", f'ca = ["{ca}"]\n'
    ),
    "containerd's default": lambda home, _, ca: write(
        home / "containerd/certs.d/_default/hosts.toml", f'ca = "{ca}"\n'
    ),
    "settings": lambda home, _, ca: write(home / "preg/runtime.toml", f'certificate-authorities = ["{ca}"]\n'),
    "skip_verify of containerd": lambda home, registry, _: write(
        home / f"containerd/certs.d/{registry}/hosts.toml", f'server = "https://{registry}"\nskip_verify = true\n'
    ),
    "insecure": lambda home, registry, _: write(
        home / "preg/runtime.toml", f'insecure-registries = ["x:1", "{registry}"]\n'
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_registry_is_trusted_where_docker_podman_or_containerd_are_told_to(
    place: str, secure: Server, preg: Preg, proxy: Squid, authority: Authority
) -> None:
    inside = replace(preg, variables=proxy.variables())
    registry = f"{NAME}:{secure.url.rpartition(':')[2]}"
    assert "not known here" in inside.fails("pull", f"{registry}/team/app:1")
    PLACES[place](preg.home / "config", registry, authority.ca)
    assert inside.ok("pull", f"{registry}/team/app:1") == f"{registry}/team/app:1 is {IMAGE.digest}\n"
    inside.ok("push", f"{registry}/team/app:1", f"{registry}/team/app:{place.replace(' ', '-').replace(chr(39), '')}")


def test_an_insecure_registry_may_have_no_tls_and_others_must(plain: Server, preg: Preg, proxy: Squid) -> None:
    inside = replace(preg, variables=proxy.variables())
    registry = f"{NAME}:{plain.url.rpartition(':')[2]}"
    name = f"{registry}/team/app:1"
    assert f"{registry} does not speak TLS: if that is as it should be, use --plain-http" in inside.fails("pull", name)
    inside.ok("pull", "--tls-verify=false", name)
    write(preg.home / "config/preg/runtime.toml", f'insecure-registries = ["{registry}"]\n')
    inside.ok("pull", name)
    assert "does not speak TLS" in inside.fails("pull", "--tls-verify", name)


def test_a_mirror_of_containerd_is_asked_first_for_what_it_can(
    plain: Server, secure: Server, preg: Preg, proxy: Squid
) -> None:
    inside = replace(preg, variables=proxy.variables())
    hosts = preg.home / "config/containerd/certs.d/registry.example/hosts.toml"
    mirror = f"http://{NAME}:{plain.url.rpartition(':')[2]}"

    server = f'server = "https://{NAME}:{secure.url.rpartition(":")[2]}"\nskip_verify = true\n'

    def tell(capabilities: str, path: str = "") -> None:
        write(hosts, f'{server}[host."{mirror}{path}"]\ncapabilities = {capabilities}\n')

    by_tag, by_digest = "registry.example/team/app:1", f"registry.example/team/app@{IMAGE.digest}"
    tell('["pull", "resolve"]')
    with plain.recording() as requests:
        inside.ok("pull", by_tag)
    assert any(request.path == "/v2/team/app/manifests/1" for request in requests)
    assert f"{mirror}/v2/team/app/manifests/1?ns=registry.example" in {url for _, url, _, _ in proxy.requests()}
    # It may be trusted with what a digest stands for, and not with what a tag does.
    tell('["pull"]')
    with plain.recording() as requests:
        inside.ok("pull", by_tag)
    assert requests == []
    with plain.recording() as requests:
        inside.ok("pull", by_digest)
    assert requests != []
    tell('["pull", "resolve"]', "/nothing/here")
    done = inside.run("pull", by_tag)
    assert done.returncode == 0
    assert f"the mirror {mirror.removeprefix('http://')} is passed over" in done.stderr
    assert f"{mirror}/nothing/here/v2/team/app/manifests/1?ns=registry.example" in {
        url for _, url, _, _ in proxy.requests()
    }


@pytest.fixture
def demanding(tmp_path: Path, authority: Authority) -> Iterator[tuple[str, trustme.CA]]:
    """Docker's registry, which lets in those alone who show a certificate of this authority."""
    clients = trustme.CA()
    clients.cert_pem.write_to_path(str(tmp_path / "clients.crt"))
    section = {
        "certificate": str(authority.certificate),
        "key": str(authority.key),
        "clientcas": [str(tmp_path / "clients.crt")],
    }
    with distribution("2.8.2", tmp_path / "storage", tls=section) as registry:
        yield registry.url.removeprefix("https://"), clients


def test_a_client_certificate_is_shown_and_its_lack_is_told(
    demanding: tuple[str, trustme.CA], plain: Server, preg: Preg
) -> None:
    registry, clients = demanding
    folder = preg.home / "config/docker/certs.d" / registry
    source, target = f"{plain.address}/team/app:1", f"{registry}/team/app:1"
    preg.ok("pull", source)
    said = preg.fails("push", source, target)
    assert f"{registry} asks for a client certificate: put it and its key into" in said

    write(folder / "client.cert", "")
    assert f"{folder}/client.cert has no client.key beside it" in preg.fails("push", source, target)
    write(folder / "client.key", "")
    assert "are no certificate and its key" in preg.fails("push", source, target)

    def show(issuer: trustme.CA) -> None:
        issued = issuer.issue_cert("client@test.invalid")
        write(folder / "client.cert", issued.cert_chain_pems[0].bytes().decode())
        write(folder / "client.key", issued.private_key_pem.bytes().decode())

    show(trustme.CA())
    assert f"{registry} refuses our client certificate" in preg.fails("push", source, target)
    show(clients)
    preg.ok("push", source, target)

    (folder / "client.cert").rename(preg.home / "pair.pem")
    with (preg.home / "pair.pem").open("a") as pair:
        pair.write((folder / "client.key").read_text())
    (folder / "client.key").unlink()
    hosts = preg.home / "config/containerd/certs.d" / registry / "hosts.toml"
    write(hosts, f'server = "https://{registry}"\nskip_verify = true\nclient = "{preg.home}/pair.pem"\n')
    preg.ok("pull", target)


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        ("docker/certs.d/{}/ca.crt", "no certificate", "ca.crt holds no certificate in PEM"),
        ("docker/certs.d/{}/client.key", "", "client.key has no client.cert beside it"),
        ("containerd/certs.d/{}/hosts.toml", "server = 1", "hosts.toml cannot be used"),
        ("containerd/certs.d/{}/hosts.toml", "= 1", "hosts.toml cannot be used"),
        ("containerd/certs.d/{}/hosts.toml", "[host.'ftp://x']", "'ftp://x' is no URL of HTTP"),
        ("preg/runtime.toml", "certificate-authorities = ['/none']", "/none cannot be read: No such file"),
        ("preg/runtime.toml", "certificate-authorities = ['here']", "is the absolute path of a file"),
        ("preg/runtime.toml", "insecure-registries = ['https://x']", "insecure-registries 'https://x'"),
        ("preg/runtime.toml", "insecure-registries = ['10.0.0.1/8']", "insecure-registries '10.0.0.1/8'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(place: str, text: str, said: str, secure: Server, preg: Preg) -> None:
    write(preg.home / "config" / place.format(secure.address), text)
    assert said in preg.fails("pull", "--tls-verify", f"{secure.address}/team/app:1")


def test_without_a_port_tls_and_plain_http_are_at_their_own(tmp_path: Path, preg: Preg) -> None:
    with netns() as host, running(host.command(*SERVE, "--listen", "127.0.0.1:80", "--storage", str(tmp_path))) as on:
        on.stdout.wait_for(lambda line: line.startswith("preg serves "))
        done = host(*preg.command("login", "-u", "a", "-p", "b", "localhost"))
        assert done == "Login Succeeded"


def test_a_registry_on_this_host_sends_credentials_to_no_token_server_elsewhere_unchecked(
    preg: Preg, authority: Authority, proxy: Squid, tmp_path: Path, secure: Server
) -> None:
    """That the registry may show any certificate says nothing of who gives tokens for it."""
    token_server = f"https://{NAME}:{secure.url.rpartition(':')[2]}/token"
    auth = {
        "token": {
            "realm": token_server,
            "service": "s",
            "issuer": "i",
            "rootcertbundle": str(authority.ca),
        }
    }
    with distribution("2.8.2", tmp_path / "storage", auth=auth) as registry:
        inside = replace(preg, variables=proxy.variables())
        login = ("login", "-u", "alice", "-p", "guess-it", registry.url.removeprefix("http://"))
        done = inside.run(*login)
        assert done.returncode == 1
        assert f"the token server {token_server} cannot be reached" in done.stderr
        assert "authority that is not known here" in done.stderr
        # The registry's own settings are for its token server as well.
        write(
            preg.home / "config/docker/certs.d" / registry.url.removeprefix("http://") / "ca.crt",
            authority.ca.read_text(),
        )
        assert "authority that is not known here" not in inside.run(*login).stderr
