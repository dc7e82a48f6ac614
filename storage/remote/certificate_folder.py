"""Certificates where docker and podman look for them: ``certs.d/HOST:PORT/{ca.crt,client.cert,client.key}``."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from storage.remote.tls import CertificatesUnreadable, ClientCertificate


class Certificates(NamedTuple):
    """What is for one registry."""

    authorities: tuple[str, ...] = ()
    client: ClientCertificate | None = None


def find_certificates(folders: Iterable[Path]) -> Certificates:
    """Read a registry's folders: every authority is taken, and the first client certificate.

    Raises CertificatesUnreadable.
    """
    files = sorted((file for folder in folders for file in _list(folder)), key=lambda file: file.name)
    authorities = tuple(str(file) for file in files if file.suffix == ".crt")
    for file in files:
        other = {".cert": ".key", ".key": ".cert"}.get(file.suffix)
        if other and not file.with_suffix(other).exists():
            raise CertificatesUnreadable(f"{file} has no {file.stem}{other} beside it; an authority's is called .crt")
    clients = (ClientCertificate(str(file), str(file.with_suffix(".key"))) for file in files if file.suffix == ".cert")
    return Certificates(authorities, next(clients, None))


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        # In another user's directory nothing is for us.
        if isinstance(error, PermissionError) and not os.path.lexists(folder):
            return []
        raise CertificatesUnreadable(f"{folder} cannot be read: {error.strerror}") from error
