"""The server's certificate, and the authorities of its clients', read again when their files change."""

import logging
import ssl
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from registry.config import ConfigError
from registry.http.peers import ServerContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.config import Tls

_LOG: Final = logging.getLogger("preg.tls")
#: How often the files are looked at while clients come, in seconds.
_EVERY: Final = 1.0


class Certificates:
    """What connections are secured with. ``context`` is for the listener: each handshake gets what the files say then.

    The files are small and read once in months, so they are read where they are needed. A change that cannot be used is
    logged, and what was read before still holds. The constructor raises ConfigError.
    """

    def __init__(self, tls: "Tls", *, clock: "Callable[[], float]" = time.monotonic) -> None:
        self._tls = tls
        self._clock = clock
        self._seen = self._look()
        self._next = clock() + _EVERY
        self.context = self._current = self._make()
        # OpenSSL calls this in every handshake, whether the client names a server or not.
        self.context.sni_callback = self._secure

    def _secure(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        self._renew_if_due()
        connection.context = self._current

    def _renew_if_due(self) -> None:
        if self._clock() >= self._next:
            self._next = self._clock() + _EVERY
            self._renew()

    def _renew(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._current = self._make()
        except ConfigError as error:
            _LOG.error("a change cannot be used, so the certificate stays as it was: %s", error)
        else:
            _LOG.info("%s has changed and is in use", self._tls.certificate)

    def _make(self) -> ServerContext:
        """Read the files. Raises ConfigError."""
        context = _read(self._tls)
        context.authorities = frozenset(context.get_ca_certs(binary_form=True))
        context.still_trusted = partial(self._still_trusts, context.authorities)
        return context

    def _still_trusts(self, authorities: frozenset[bytes]) -> bool:
        self._renew_if_due()
        return authorities <= self._current.authorities

    def _look(self) -> list[tuple[int, ...]]:
        """Give what changes when a file is replaced or written."""
        return [_stamp(path) for path in _files(self._tls)]


def _files(tls: "Tls") -> list[Path]:
    return [Path(name) for name in (tls.certificate, tls.key, tls.client_ca) if name]


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _read(tls: "Tls") -> ServerContext:
    """Read the files. Raises ConfigError, which names the one that cannot be used."""
    for path in _files(tls):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, _pass_phrase)
    except ssl.SSLError as error:
        raise ConfigError(f"{tls.certificate} with the key {tls.key} cannot be used: {_reason(error)}") from error
    if tls.client_ca:
        try:
            context.load_verify_locations(tls.client_ca)
        except ssl.SSLError as error:
            raise ConfigError(f"{tls.client_ca} cannot be used: {_reason(error)}") from error
        context.verify_mode = ssl.CERT_OPTIONAL
        # A resumed session would bring along a certificate whose authority may be gone.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def _pass_phrase() -> NoReturn:
    """Refuse; OpenSSL would ask on the terminal."""
    raise ConfigError("the key has a pass phrase: write it without one, in a file that only preg can read")


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "it is not in PEM format").replace("_", " ").lower()
