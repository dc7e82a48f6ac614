"""TLS: files that are read again when they change, and clients that show a certificate."""

import contextlib
import http.client
import os
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from registry.config import ConfigError, Tls
from registry.http.peers import ServerContext
from registry.tls import Certificates
from tests.parts import server as server_part
from tests.parts.process import PATIENCE
from tests.parts.server import Server
from tests.parts.wire import Wire


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Files:
    """A certificate of an authority, its key, and an authority for clients."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.tls = Tls(*(str(folder / name) for name in ("server.crt", "server.key", "clients.crt")))
        self.clients = trustme.CA()
        self.clients.cert_pem.write_to_path(self.tls.client_ca)
        self.issue(authority)

    def issue(self, authority: trustme.CA) -> None:
        """Put another certificate in place, with its key."""
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.replace(self.tls.key, issued.private_key_pem.bytes())
        self.replace(self.tls.certificate, issued.cert_chain_pems[0].bytes())

    def replace(self, path: str, content: bytes) -> None:
        Path(f"{path}.new").write_bytes(content)
        os.replace(f"{path}.new", path)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Files:
    return Files(tmp_path, authority)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Connect a client to a server without a network; the server's end. Raises ssl.SSLError of either."""
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(one, other, server_side=True)
    asking = client.wrap_bio(other, one, server_hostname=name)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for end in (asking, serving):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            done.add(end)
    return serving


# A client that speaks to an address names no server.
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_new_certificate_is_served_within_a_second(files: Files, authority: trustme.CA, name: str) -> None:
    clock = Clock()
    certificates = Certificates(files.tls, clock=clock)
    shake_hands(certificates.context, trusting(authority), name)
    successor = trustme.CA()
    files.issue(successor)
    shake_hands(certificates.context, trusting(authority), name)
    clock.now = 1.0
    shake_hands(certificates.context, trusting(successor), name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(certificates.context, trusting(authority), name)


def test_a_change_that_is_wrong_changes_nothing(
    files: Files, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    certificates = Certificates(files.tls, clock=clock)
    files.replace(files.tls.certificate, authority.issue_cert("localhost").cert_chain_pems[0].bytes())
    for clock.now in (1.0, 2.0, 3.0):
        shake_hands(certificates.context, trusting(authority), "localhost")
    (complaint,) = caplog.messages
    assert files.tls.certificate in complaint
    os.remove(files.tls.key)
    for clock.now in (4.0, 5.0):
        shake_hands(certificates.context, trusting(authority), "localhost")
    assert "cannot be read" in caplog.messages[-1]
    assert len(caplog.messages) == 2
    successor = trustme.CA()
    files.issue(successor)
    clock.now = 6.0
    shake_hands(certificates.context, trusting(successor), "localhost")


def test_the_authority_of_clients_can_be_exchanged(files: Files, authority: trustme.CA) -> None:
    clock = Clock()
    certificates = Certificates(files.tls, clock=clock)
    client = trusting(authority)
    assert shake_hands(certificates.context, client, "localhost").getpeercert() is None
    files.clients.issue_cert("host1.example", common_name="host1").configure_cert(client)
    certificate = shake_hands(certificates.context, client, "localhost").getpeercert()
    assert certificate
    assert (("commonName", "host1"),) in certificate["subject"]
    files.replace(files.tls.client_ca, trustme.CA().cert_pem.bytes())
    clock.now = 1.0
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(certificates.context, client, "localhost")


def test_a_connection_knows_whether_its_authorities_are_trusted_still(files: Files, authority: trustme.CA) -> None:
    clock = Clock()
    certificates = Certificates(files.tls, clock=clock)
    context = shake_hands(certificates.context, trusting(authority), "localhost").context
    assert isinstance(context, ServerContext)
    both = files.clients.cert_pem.bytes() + trustme.CA().cert_pem.bytes()
    files.issue(authority)
    clock.now = 1.0
    assert context.still_trusted()
    files.replace(files.tls.client_ca, both)
    clock.now = 2.0
    assert context.still_trusted()
    files.replace(files.tls.client_ca, trustme.CA().cert_pem.bytes())
    clock.now = 3.0
    assert not context.still_trusted()
    now = shake_hands(certificates.context, trusting(authority), "localhost").context
    assert isinstance(now, ServerContext)
    assert now.still_trusted()


def test_files_that_cannot_be_used_are_named(files: Files, tmp_path: Path) -> None:
    wrong, gone = tmp_path / "wrong", str(tmp_path / "gone")
    wrong.write_text("no certificate")
    tls = files.tls
    for made in (
        Tls(gone, tls.key),
        Tls(tls.certificate, gone),
        Tls(tls.certificate, tls.key, gone),
        Tls(str(wrong), tls.key),
        Tls(tls.certificate, str(wrong)),
        Tls(tls.certificate, tls.key, str(wrong)),
        Tls(tls.certificate, tls.client_ca),
    ):
        with pytest.raises(ConfigError) as caught:
            Certificates(made)
        assert any(path in str(caught.value) for path in (gone, str(wrong), tls.client_ca)), made


def test_a_key_with_a_pass_phrase_is_not_asked_about(files: Files) -> None:
    """The terminal may be nobody's."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    key = serialization.load_pem_private_key(Path(files.tls.key).read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"s3cret")
    )
    Path(files.tls.key).write_bytes(encrypted)
    with pytest.raises(ConfigError, match="pass phrase"):
        Certificates(files.tls)


def test_the_server_speaks_tls(files: Files, authority: trustme.CA, tmp_path: Path) -> None:
    config = tmp_path / "preg.toml"
    config.write_text(f'[tls]\ncertificate = "{files.tls.certificate}"\nkey = "{files.tls.key}"\n')
    with server_part.serving(tmp_path / "storage", config) as server:
        assert server.url.startswith("https://127.0.0.1:")
        secured = Wire(server.url, trusting(authority))
        digest = secured.push_blob("a/b", os.urandom(1 << 20))
        assert len(secured.blob("a/b", digest)) == 1 << 20


@pytest.fixture
def knowing(files: Files, tmp_path: Path) -> Iterator[Server]:
    """A server that knows clients by their certificates."""
    config, users = tmp_path / "preg.toml", tmp_path / "users"
    users.write_text("")
    names = ("certificate", "key", "client_ca")
    tls = "".join(f'{name} = "{getattr(files.tls, name)}"\n' for name in names)
    config.write_text(f'[auth]\nmode = "htpasswd"\nusers = "{users}"\n[tls]\n{tls}')
    with server_part.serving(tmp_path / "storage", config) as server:
        yield server


def ask_until_refused(server: Server, client: ssl.SSLContext) -> str:
    """Ask again and again on one connection; the server's log line of the refusal."""
    host, _, port = server.address.rpartition(":")
    deadline, statuses = time.monotonic() + PATIENCE, [0]
    with contextlib.closing(http.client.HTTPSConnection(host, int(port), context=client)) as connection:
        connection.connect()
        begun = connection.sock
        while statuses[-1] in (0, 200) and time.monotonic() < deadline:
            assert connection.sock is begun
            connection.request("GET", "/v2/")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    assert (statuses[1], statuses[-1], answer.headers["Connection"]) == (200, 401, "close")
    return server.process.stderr.wait_for(lambda line: "is refused ping" in line)


def test_a_connection_lasts_no_longer_than_the_clients_certificate(
    knowing: Server, files: Files, authority: trustme.CA
) -> None:
    client = trusting(authority)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    files.clients.issue_cert("host1.example", common_name="host1", not_after=soon).configure_cert(client)
    assert "it has expired" in ask_until_refused(knowing, client)


def test_a_connection_lasts_no_longer_than_its_authority_is_trusted(
    knowing: Server, files: Files, authority: trustme.CA
) -> None:
    client = trusting(authority)
    files.clients.issue_cert("host1.example", common_name="host1").configure_cert(client)
    timer = threading.Timer(0.2, files.replace, (files.tls.client_ca, trustme.CA().cert_pem.bytes()))
    timer.start()
    assert "its authority is not trusted any more" in ask_until_refused(knowing, client)


def test_a_server_without_its_certificate_does_not_start(files: Files, tmp_path: Path) -> None:
    config = tmp_path / "preg.toml"
    config.write_text(f'[tls]\ncertificate = "{tmp_path}/gone.crt"\nkey = "{files.tls.key}"\n')
    with pytest.raises(AssertionError, match=r"gone\.crt cannot be read"):
        server_part.start(tmp_path / "storage", config)
