"""Whether the rooms of preg are all there."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from runtime.errors import Fault

_ROOMS: Final = ("storage", "auth", "registry")


def check_rooms() -> None:
    """Tell if another distribution's package of the same name is imported instead of ours. Raises Fault."""
    home = Path(__file__).parents[2]
    for room in _ROOMS:
        spec = find_spec(room)
        if spec is None or spec.origin is None or Path(spec.origin).parents[1] != home:
            found = "nowhere" if spec is None else f"at {spec.origin}"
            raise Fault(f"the package {room!r} of preg was found {found}: install preg in an environment of its own")
