"""iptables of the old kind, which knows nothing of nftables: it may drop what containers send and get (iptables(8)).

Where nobody has loaded it, it is not asked; the new kind is dealt with among the rules of nftables.
"""

from __future__ import annotations

import os

from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_TABLES: Final = "/proc/net/ip_tables_names"
_PROGRAMS: Final = ("/usr/sbin/iptables-legacy", "/sbin/iptables-legacy", "/usr/sbin/iptables", "/sbin/iptables")


def let_through(bridge: str) -> None:
    """Have it let a network's packets through. What leaves the network comes last, behind Docker's own rules."""
    program = _find()
    if program is not None:
        for command, rule in (("-I", _into(bridge)), ("-A", _out_of(bridge))):
            if _run(program, "-C", rule):
                _run(program, command, rule)


def stop_letting_through(bridge: str) -> None:
    """Take back what ``let_through`` has done."""
    program = _find()
    if program is not None:
        for rule in (_into(bridge), _out_of(bridge)):
            _run(program, "-D", rule)


def _find() -> str | None:
    with suppress(OSError), open(_TABLES, encoding="utf-8") as file:
        if "filter" in file.read().split():
            return next((path for path in _PROGRAMS if os.path.exists(path)), None)
    return None


def _into(bridge: str) -> list[str]:
    return ["FORWARD", "-o", bridge, "-j", "ACCEPT"]


def _out_of(bridge: str) -> list[str]:
    return ["FORWARD", "-i", bridge, "-j", "ACCEPT"]


def _run(program: str, command: str, rule: list[str]) -> int:
    null = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(3)]
    child = os.posix_spawn(program, [program, "--wait", command, *rule], {}, file_actions=null)
    return os.waitpid(child, 0)[1]
