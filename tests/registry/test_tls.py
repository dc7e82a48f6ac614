"""TLS: files that are read again when they change, and clients that show a certificate."""

import os
import ssl
from pathlib import Path

import pytest
import trustme

from registry.config import ConfigError, Tls
from registry.tls import Certificates
from tests.parts import server as server_part
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


def test_a_server_without_its_certificate_does_not_start(files: Files, tmp_path: Path) -> None:
    config = tmp_path / "preg.toml"
    config.write_text(f'[tls]\ncertificate = "{tmp_path}/gone.crt"\nkey = "{files.tls.key}"\n')
    with pytest.raises(AssertionError, match=r"gone\.crt cannot be read"):
        server_part.start(tmp_path / "storage", config)
