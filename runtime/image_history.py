"""What an image's configuration tells of its making (image-spec, config.md, "history")."""

from runtime.image_config import parse
from runtime.lean import NamedTuple


class Step(NamedTuple):
    """A line of an image's history."""

    created: str | None = None
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


class History(NamedTuple):
    """How an image was made, the first step first."""

    history: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, name: str) -> "History":
        """Read what a configuration tells of it. Raises Fault; ``name`` says of what."""
        return parse(cls, raw, name)
