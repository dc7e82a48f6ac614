"""What was asked about how a container finds others by their names, in its ``/etc/resolv.conf`` and ``/etc/hosts``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

#: What stands for this host in ``--add-host``.
GATEWAY: Final = "host-gateway"


def resolv_conf(text: str, servers: Sequence[str], search: Sequence[str], options: Sequence[str]) -> str:
    """Give a file's text (resolv.conf(5)) with each kind of line replaced for which something was asked.

    A search for ``.`` alone is none.
    """
    asked = {
        "nameserver": [f"nameserver {server}" for server in servers],
        "search": [f"search {' '.join(search)}"] if search and list(search) != ["."] else [],
        "options": [f"options {' '.join(options)}"] if options else [],
    }
    replaced = {name for name, given in zip(asked, (servers, search, options), strict=True) if given}
    if "search" in replaced:
        replaced.add("domain")
    kept = [line for line in text.splitlines() if (line.split() or [""])[0] not in replaced]
    return "".join(f"{line}\n" for line in (*kept, *(line for lines in asked.values() for line in lines)))


def hosts_lines(hosts: Sequence[str], gateway: str) -> str:
    """Give the lines of ``/etc/hosts`` for ``NAME:ADDRESS``; ``gateway`` is the host's address as containers see it."""
    pairs = (text.partition(":") for text in hosts)
    return "".join(f"{gateway if address == GATEWAY else address}\t{name}\n" for name, _, address in pairs)
