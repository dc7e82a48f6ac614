"""Who a container is to be: its user, its names, and the names it knows others by."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from runtime.errors import UsageError
from runtime.host_files import GATEWAY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.cli.options import Options

_LONGEST_NAME: Final = 253


def ask_identity(options: Options, wishes: Wishes) -> Wishes:
    """Add to the wishes what the options say. Raises UsageError."""
    if options.last("--uts") == "host":
        for option in ("--hostname", "--domainname"):
            if options.last(option):
                raise UsageError(f"conflicting options: {option} and --uts host: the name is this host's")
    return wishes._replace(
        user=options.last("--user") or "",
        groups=tuple(options.all("--group-add")),
        init="--init" in options,
        hostname=_read_name(options, "--hostname"),
        domainname=_read_name(options, "--domainname"),
        hosts=tuple(read_host(text) for text in options.all("--add-host")),
        dns=tuple(_read_server(text) for text in options.all("--dns")),
        dns_search=tuple(_read_word("--dns-search", text) for text in options.all("--dns-search")),
        dns_options=tuple(_read_word("--dns-option", text) for text in options.all("--dns-option")),
    )


def read_host(text: str) -> str:
    """Read ``NAME:ADDRESS`` or ``NAME=ADDRESS``, with an IPv6 address in brackets or not. Raises UsageError."""
    separator = "=" if "=" in text else ":"
    name, _, address = text.partition(separator)
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if not _is_name(name) or not (address == GATEWAY or _is_address(address)):
        raise UsageError(f"--add-host {text!r}: it is NAME:ADDRESS, where {GATEWAY} stands for this host")
    return f"{name}:{address}"


def _read_name(options: Options, name: str) -> str:
    text = options.last(name) or ""
    if text and (not _is_name(text) or len(text) > 64):
        raise UsageError(f"{name} {text!r}: a name has at most 64 characters, and neither spaces nor : or /")
    return text


def _read_server(text: str) -> str:
    if not _is_address(text):
        raise UsageError(f"--dns {text!r}: a name server is an IP address")
    return text


def _read_word(option: str, text: str) -> str:
    if not _is_word(text, but="#;"):
        raise UsageError(f"{option} {text!r}: it is one word")
    return text


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and _is_word(text, but="/:")


def _is_word(text: str, *, but: str) -> bool:
    """Tell whether a text is one word, without these letters."""
    return bool(text) and "\0" not in text and not any(letter.isspace() or letter in but for letter in text)


def _is_address(text: str) -> bool:
    for family in (AF_INET, AF_INET6):
        try:
            inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
