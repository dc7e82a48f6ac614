"""Who a container is to be: its user, its names, and the names it knows others by."""

from __future__ import annotations

import re
import shlex
import socket

from runtime.errors import UsageError
from runtime.resolver import GATEWAY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.cli.options import Options

_HOST_NAME: Final = re.compile(r"[^\s/:\0]{1,253}", re.ASCII)


def ask_identity(options: Options, wishes: Wishes) -> Wishes:
    """Add to the wishes what the options say. Raises UsageError."""
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
    if not _HOST_NAME.fullmatch(name) or not (address == GATEWAY or _is_address(address)):
        raise UsageError(f"--add-host {shlex.quote(text)}: it is NAME:ADDRESS, where {GATEWAY} stands for this host")
    return f"{name}:{address}"


def _read_name(options: Options, name: str) -> str:
    text = options.last(name) or ""
    if text and (not _HOST_NAME.fullmatch(text) or len(text) > 64):
        raise UsageError(f"{name} {shlex.quote(text)}: a name has at most 64 characters, and neither spaces nor : or /")
    return text


def _read_server(text: str) -> str:
    if not _is_address(text):
        raise UsageError(f"--dns {shlex.quote(text)}: a name server is an IP address")
    return text


def _read_word(option: str, text: str) -> str:
    if not re.fullmatch(r"[^\s\0#;]+", text):
        raise UsageError(f"{option} {shlex.quote(text)}: it is one word")
    return text


def _is_address(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
