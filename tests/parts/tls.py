"""A certificate authority for tests, and what it signs."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme

# A name that resolves nowhere (RFC 6761): docker checks no certificate of a loopback address.
NAME = "registry.test"


@dataclass(frozen=True)
class Authority:
    """Files of a CA and of a server certificate for 127.0.0.1, localhost and registry.test."""

    ca: Path
    certificate: Path
    key: Path

    def client(self) -> ssl.SSLContext:
        """A client's context that trusts this CA alone."""
        return ssl.create_default_context(cafile=str(self.ca))

    def server(self) -> ssl.SSLContext:
        """A server's context with the certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def issue(
    folder: Path, *names: str, not_before: datetime | None = None, not_after: datetime | None = None
) -> Authority:
    """Make a CA and a server certificate, by default for all the names above, and write both into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    server = authority.issue_cert(
        *(names or ("127.0.0.1", "localhost", NAME)), not_before=not_before, not_after=not_after
    )
    files = Authority(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    authority.cert_pem.write_to_path(str(files.ca))
    server.private_key_pem.write_to_path(str(files.key))
    for number, part in enumerate(server.cert_chain_pems):
        part.write_to_path(str(files.certificate), append=number > 0)
    return files
