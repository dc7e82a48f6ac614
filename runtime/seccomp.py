"""The filter of a container's system calls (seccomp(2)).

Making one takes as long as the rest of a start, so each is made once and kept below the state directory: a reboot, and
with it a newer kernel or library, makes it anew.
"""

from __future__ import annotations

import os

from runtime.capabilities import ALL
from runtime.lean import NamedTuple, from_json, to_json
from runtime.lock import make_private
from storage.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

#: What stands for no filter at all, in Docker's words.
UNCONFINED: Final = "unconfined"
#: crun takes a program by this annotation, and then looks at no profile, whose compilation it would start with.
_PROGRAM: Final = "run.oci.seccomp_bpf_data"
_DEFAULT: Final = f"{os.path.dirname(__file__)}/seccomp_default.txt"


class Filter(NamedTuple):
    """What of a configuration makes the filter."""

    profile: dict[str, Any]
    """As ``linux.seccomp``."""
    annotations: dict[str, str]


class Wanted(NamedTuple):
    """What a filter is made for."""

    chosen: str
    """A profile in Docker's format; Docker's own if it is empty."""
    capabilities: list[str]
    architecture: str
    """That of the image, where its programs make other calls than this host's."""


def find_filter(wanted: Wanted, engine: str, state: str) -> Filter:
    """Give the filter for a container. Raises Fault if the profile cannot be read."""
    compiled = engine == "crun"
    path = f"{state}/seccomp/{_name(wanted, compiled=compiled)}"
    try:
        with open(path, "rb") as file:
            return Filter(*from_json(file.read()))
    except (FileNotFoundError, ValueError, TypeError):
        made = _make(wanted, compiled=compiled)
        _keep(path, to_json(made).encode())
        return made


def _name(wanted: Wanted, *, compiled: bool) -> str:
    """Name what a filter is made of, without reading that."""
    # Whatever brings another version of preg gives new times to what it writes, or writes it elsewhere.
    found = [os.stat(path) for path in (os.path.dirname(_DEFAULT), _DEFAULT)]
    ours = [f"{each.st_ino:x}-{each.st_mtime_ns:x}" for each in found]
    granted = sum(1 << ALL.index(name) for name in wanted.capabilities)
    digest = [Digest.of(wanted.chosen.encode()).hex] if wanted.chosen else []
    architecture = [wanted.architecture] if wanted.architecture else []
    return "-".join((*ours, f"{granted:x}", "program" if compiled else "rules", *architecture, *digest))


def check_profile(text: str, name: str) -> str:
    """Give a profile in Docker's format as it is, if it is one. Raises Fault; ``name`` says of what."""
    from runtime.seccomp_profile import parse_profile  # noqa: PLC0415

    parse_profile(text, name)
    return text


def _make(wanted: Wanted, *, compiled: bool) -> Filter:
    import base64  # noqa: PLC0415 - a start that finds what was made before must not import what makes it
    from pathlib import Path  # noqa: PLC0415

    from runtime.seccomp_profile import Host, parse_default, parse_profile, resolve  # noqa: PLC0415
    from runtime.seccomp_program import compile_filter  # noqa: PLC0415

    chosen = wanted.chosen
    parsed = parse_profile(chosen, "of --security-opt") if chosen else parse_default(Path(_DEFAULT).read_text())
    resolved = resolve(parsed, Host.here(frozenset(wanted.capabilities), wanted.architecture))
    program = compile_filter(resolved) if compiled else None
    if program is None:
        return Filter(resolved, {})
    # Rules that nobody reads would take their time, and whoever does not know of programs must not do without both.
    instead = {name: value for name, value in resolved.items() if name == "flags"}
    return Filter({"defaultAction": "SCMP_ACT_ERRNO", **instead}, {_PROGRAM: base64.b64encode(program).decode()})


def _keep(path: str, content: bytes) -> None:
    make_private(os.path.dirname(path))
    new = f"{path}.{os.getpid()}"
    with open(new, "wb") as file:
        file.write(content)
    os.rename(new, path)
