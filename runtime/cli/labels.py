"""Labels as they are given, shown and asked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def read_labels(texts: Iterable[str]) -> dict[str, str]:
    """Read labels, each ``NAME=VALUE`` or a name alone; of two with one name the later counts."""
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def show_labels(labels: Mapping[str, str]) -> str:
    """Write labels in a line, as Docker does."""
    return ",".join(f"{name}={value}" for name, value in labels.items())


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Tell whether a label is there: ``NAME=VALUE``, or a name alone with whatever value."""
    name, equals, value = wanted.partition("=")
    return name in labels and (not equals or labels[name] == value)
