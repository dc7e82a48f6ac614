"""The files of a container's ``/etc`` by which it finds others: ``hosts`` and ``resolv.conf``.

``hosts`` is written before the container starts, and changed in place while it runs, for it is mounted into the
container: each network that the container is in has a section there, between two lines that name the network.
"""

from __future__ import annotations

import os

from runtime.lean import suppress
from runtime.network.plan import HOST, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

_HEAD: Final = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
#: The container may write its own file; what is longer is not read.
_LONGEST: Final = 1024 * 1024
_SYSTEMD: Final = "/run/systemd/resolve/resolv.conf"
#: Docker's, for a host whose own resolver cannot be reached from a container.
_PUBLIC: Final = ("8.8.8.8", "8.8.4.4")


def base(kind: str, own_names: Sequence[str]) -> str:
    """Give what a container's file has above the sections of its networks."""
    if kind == HOST:
        return _read("/etc/hosts")
    # Nothing else would tell the container its own name.
    return f"{_HEAD}127.0.0.1\t{' '.join(own_names)}\n" if kind == NONE else _HEAD


def names_of(host_name: str, domain: str) -> list[str]:
    """Give what a container calls itself: with its domain, which is the canonical name, and without."""
    full = f"{host_name}.{domain}" if domain else host_name
    return list(dict.fromkeys((full, host_name.partition(".")[0] or host_name)))


def update(path: str, network: str, lines: Iterable[str]) -> None:
    """Replace the section of a network in a container's file, or remove it if there are no lines.

    It is no fault if the file is gone.
    """
    with suppress(FileNotFoundError):
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            old = os.read(file, _LONGEST).decode(errors="surrogateescape")
            new = replace_section(old, network, lines).encode(errors="surrogateescape")
            os.pwrite(file, new, 0)
            os.ftruncate(file, len(new))
        finally:
            os.close(file)


def replace_section(text: str, network: str, lines: Iterable[str]) -> str:
    """Write a file's text with other lines in a network's section, which is the last one if it is new."""
    first, last = f"# Network {network}, kept by preg:\n", f"# End of network {network}\n"
    before, found, rest = text.partition(first)
    after = rest.partition(last)[2] if found else ""
    if before and not before.endswith("\n"):
        before += "\n"
    content = "".join(f"{line}\n" for line in lines)
    return before + (first + content + last if content else "") + after


def resolvers(*, of_host: bool) -> str:
    """Give the text of ``resolv.conf`` for a container, which has this host's network or one of its own.

    A resolver that listens on the host's loopback does not hear a container: of systemd's the servers behind it are
    taken, of another Docker's public ones.
    """
    text = _read("/etc/resolv.conf")
    if of_host:
        return text
    if _servers(text) == ["127.0.0.53"]:
        text = _read(_SYSTEMD) or text
    return without_loopback(text)


def without_loopback(text: str) -> str:
    """Leave out the resolvers that a container cannot reach, and put public ones there if none remains."""
    kept = [line for line in text.splitlines() if not _is_loopback(line)]
    if not _servers("\n".join(kept)):
        kept += [f"nameserver {server}" for server in _PUBLIC]
    return "".join(f"{line}\n" for line in kept)


def _is_loopback(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] == "nameserver" and (words[1].startswith("127.") or words[1] == "::1")


def _servers(text: str) -> list[str]:
    lines = (line.split() for line in text.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
