"""How servers show who they are, and we to them, where a registry is spoken to."""

import ssl
from typing import TYPE_CHECKING, NamedTuple

from storage.oci.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable


class CertificatesUnreadable(RegistryError):
    """A file with certificates or a key cannot be used."""


class ClientCertificate(NamedTuple):
    """The files of a certificate that servers are shown, and of its key."""

    certificate: str
    key: str


class Tls(NamedTuple):
    """What is checked of servers' certificates, and the one that they are shown."""

    authorities: tuple[str, ...] = ()
    """Files with authorities that are trusted beside those of this host."""
    client: ClientCertificate | None = None
    is_insecure: "Callable[[str], bool]" = lambda _: False
    """Tells whether any certificate is good for a server, by its HOST[:PORT]."""
    folder: str = ""
    """Where an authority can be put to be trusted with this registry, for messages."""

    def context(self, *, verify: bool) -> ssl.SSLContext:
        """Make a context. Raises CertificatesUnreadable."""
        context = ssl.create_default_context() if verify else _unverified()
        for file in self.authorities if verify else ():
            try:
                context.load_verify_locations(file)
            except ssl.SSLError as error:
                raise CertificatesUnreadable(f"{file} holds no certificate in PEM") from error
            except OSError as error:
                raise CertificatesUnreadable(f"{file} cannot be read: {error.strerror}") from error
        if self.client is not None:
            _show(context, self.client)
        return context


def _unverified() -> ssl.SSLContext:
    # Without the authorities of this host, which take longer to read than a registry to answer.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _show(context: ssl.SSLContext, client: ClientCertificate) -> None:
    try:
        # A passphrase is asked of nobody: OpenSSL would do so on the terminal.
        context.load_cert_chain(*client, password=lambda: b"")
    except ssl.SSLError as error:
        raise CertificatesUnreadable(
            f"{client.certificate} and {client.key} are no certificate and its key, without a passphrase, in PEM"
        ) from error
    except OSError as error:
        raise CertificatesUnreadable(
            f"{client.certificate} or {client.key} cannot be read: {error.strerror}"
        ) from error
