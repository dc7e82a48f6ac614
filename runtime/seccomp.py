"""The filter of a container's system calls (seccomp(2)).

Making one takes as long as the rest of a start, so each is made once and kept below the state directory: a reboot, and
with it a newer kernel or library, makes it anew.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from runtime.lean import NamedTuple, from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

#: What stands for no filter at all, in Docker's words.
UNCONFINED: Final = "unconfined"
#: crun takes a program by this annotation and then looks at no profile, whose compilation it would start with.
_PROGRAM: Final = "run.oci.seccomp_bpf_data"


class Filter(NamedTuple):
    """What of a configuration makes the filter."""

    profile: dict[str, Any]
    """As ``linux.seccomp``."""
    annotations: dict[str, str]


class _Kept(NamedTuple):
    profile: dict[str, Any]
    program: str | None


def find_filter(chosen: str, capabilities: list[str], engine: str, state: Path) -> Filter:
    """Give the filter for a container with these capabilities, by a profile in Docker's format or by Docker's own.

    Raises Fault if the profile cannot be read.
    """
    profile = chosen.encode() or Path(__file__).with_name("seccomp_default.txt").read_bytes()
    key = hashlib.sha256(b"\0".join((profile, engine.encode(), *(name.encode() for name in sorted(capabilities)))))
    path = state / "seccomp" / key.hexdigest()
    try:
        kept = _Kept(*from_json(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        kept = _make(chosen, profile.decode(), capabilities, with_program=engine == "crun")
        _keep(path, to_json(kept).encode())
    return Filter(kept.profile, {} if kept.program is None else {_PROGRAM: kept.program})


def check_profile(text: str, name: str) -> str:
    """Give a profile in Docker's format as it is, if it is one. Raises Fault; ``name`` says of what."""
    from runtime.seccomp_profile import parse_profile  # noqa: PLC0415

    parse_profile(text, name)
    return text


def _make(chosen: str, profile: str, capabilities: list[str], *, with_program: bool) -> _Kept:
    import base64  # noqa: PLC0415 - a start that finds what was made before must not import what makes it

    from runtime.seccomp_profile import Host, parse_default, parse_profile, resolve  # noqa: PLC0415
    from runtime.seccomp_program import compile_filter  # noqa: PLC0415

    parsed = parse_profile(profile, "of --security-opt") if chosen else parse_default(profile)
    resolved = resolve(parsed, Host.here(frozenset(capabilities)))
    program = compile_filter(resolved) if with_program else None
    encoded = None if program is None else base64.b64encode(program).decode()
    return _Kept(resolved, encoded)


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_bytes(content)
    new.rename(path)
