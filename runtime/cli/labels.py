"""Labels as they are given, shown and asked for."""

from __future__ import annotations

from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final

_SPACES: Final = " \t"


def read_labels(texts: Iterable[str]) -> dict[str, str]:
    """Read labels, each ``NAME=VALUE`` or a name alone; of two with one name the later counts. Raises UsageError."""
    return dict(map(_read_label, texts))


def _read_label(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name.lstrip(_SPACES):
        raise UsageError(f"--label '{text}': a label needs a name: it is NAME=VALUE, or NAME")
    if any(letter in name.lstrip(_SPACES) for letter in _SPACES):
        raise UsageError(f"--label '{text}': a label's name has no spaces")
    return name, value


def show_labels(labels: Mapping[str, str]) -> str:
    """Write labels in a line, as Docker does."""
    return ",".join(f"{name}={value}" for name, value in labels.items())


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Tell whether a label is there: ``NAME=VALUE``, or a name alone with whatever value."""
    name, equals, value = wanted.partition("=")
    return name in labels and (not equals or labels[name] == value)
