"""Why there is no connection, in words that tell what to do."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from storage.remote.answer import HttpFault
from storage.remote.tls import Tls


class NotTls(HttpFault):
    """What answers does not speak TLS."""


class Refused(HttpFault):
    """Nothing listens there."""


#: What OpenSSL says of an answer that is no TLS.
_NO_TLS: Final = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNEXPECTED_EOF_WHILE_READING",
)
#: How a server says that it wants another certificate of ours, or one at all.
_OUR_CERTIFICATE: Final = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "TLSV1_ALERT_UNKNOWN_CA",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
)
_WORDS: Final = {
    errno.ECONNREFUSED: "nothing listens there (connection refused)",
    errno.ENETUNREACH: "there is no route to it (network is unreachable)",
    errno.EHOSTUNREACH: "there is no route to it (host is unreachable)",
    errno.ETIMEDOUT: "it does not answer (connection timed out)",
}
#: Of OpenSSL, by X509_V_ERR_*.
_EXPIRED, _NOT_YET, _OF_ANOTHER = 10, 9, (62, 64)
_UNKNOWN: Final = (2, 18, 19, 20, 21)


@contextmanager
def connecting(address: str, host: str) -> Iterator[None]:
    """Say what keeps us from connecting. Raises HttpFault."""
    try:
        yield
    except TimeoutError as error:
        raise HttpFault(f"{address}: {_WORDS[errno.ETIMEDOUT]}", passing=False) from error
    except socket.gaierror as error:
        raise HttpFault(f"the name {host} cannot be resolved: {error.strerror}", passing=False) from error
    except OSError as error:
        # asyncio has one number for a host of one address; of several it leaves the text.
        numbers = [error.errno] if error.errno else [int(each) for each in re.findall(r"\[Errno (\d+)\]", str(error))]
        said = "; ".join(dict.fromkeys(_WORDS.get(number, os.strerror(number)) for number in numbers)) or str(error)
        refused = set(numbers) == {errno.ECONNREFUSED}
        raise (Refused if refused else HttpFault)(f"{address}: {said}", passing=False) from error


def tls_fault(error: ssl.SSLError, address: str, tls: Tls) -> HttpFault:
    """Say what is wrong with TLS, and which file or option cures it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return HttpFault(f"{address}: {_describe(error, tls.folder)}", passing=False)
    reason = error.reason or str(error)
    if reason in _NO_TLS:
        return NotTls(f"{address} does not speak TLS: if that is as it should be, use --plain-http", passing=False)
    if reason in _OUR_CERTIFICATE:
        said = "refuses our client certificate" if tls.client else "asks for a client certificate"
        cure = f": put it and its key into {tls.folder}/client.cert and client.key" if tls.folder else ""
        return HttpFault(f"{address} {said}{cure}", passing=False)
    if "PROTOCOL" in reason:
        return HttpFault(f"{address} speaks no version of TLS that is still safe", passing=False)
    return HttpFault(f"{address}: TLS failed: {reason.lower().replace('_', ' ')}", passing=False)


def _describe(error: ssl.SSLCertVerificationError, folder: str) -> str:
    """Say what is wrong with a server's certificate."""
    unchecked = "to do without this check, use --tls-verify=false"
    if error.verify_code == _EXPIRED:
        return f"its certificate has expired (or this host's clock is wrong); {unchecked}"
    if error.verify_code == _NOT_YET:
        return f"its certificate is not valid yet (or this host's clock is wrong); {unchecked}"
    if error.verify_code in _OF_ANOTHER:
        # OpenSSL names both in whole sentences.
        return f"its certificate is for another name: {error.verify_message.rstrip('.')}; {unchecked}"
    if error.verify_code in _UNKNOWN:
        cure = f"put the authority's certificate into {folder}/ca.crt, or, " if folder else ""
        return f"its certificate is of an authority that is not known here: {cure}{unchecked}"
    return f"its certificate is not good: {error.verify_message}; {unchecked}"
