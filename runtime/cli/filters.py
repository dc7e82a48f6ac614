"""``--filter KEY=VALUE``: how what is listed or removed is chosen, by the same rule everywhere."""

from __future__ import annotations

from runtime.cli.labels import has_label
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Final

    from runtime.cli.options import Options

BOOLEAN: Final = ("true", "1", "false", "0")
_LABELS: Final = ("label", "label!")


def read_filters(
    options: Options, keys: tuple[str, ...], choices: Mapping[str, tuple[str, ...]] | None = None
) -> list[tuple[str, str]]:
    """Read the filters that were given, of these keys; some may have one of a few values only. Raises UsageError."""
    filters = options.pairs("--filter", keys)
    for key, value in filters:
        allowed = (choices or {}).get(key, (value,))
        if value not in allowed:
            raise UsageError(f"--filter {key}={value}: it is {' or '.join(allowed)}")
    check_times(filters)
    return filters


def check_times(filters: Iterable[tuple[str, str]]) -> None:
    """Raise UsageError if there is more than one time before which something is to have been made."""
    if len({value for key, value in filters if key == "until"}) > 1:
        raise UsageError("--filter until= is given more than once: say the one that counts")


def passes(filters: Iterable[tuple[str, str]], holds: Callable[[str, str], bool]) -> bool:
    """Tell whether something passes: of each key one value holds, but of labels all do."""
    found: dict[tuple[str, str], bool] = {}
    for key, value in filters:
        alternatives = (key, value if key in _LABELS else "")
        found[alternatives] = found.get(alternatives, False) or holds(key, value)
    return all(found.values())


def is_true(value: str) -> bool:
    """Read one of ``BOOLEAN``."""
    return value in ("true", "1")


def fits_labels(labels: Mapping[str, str], key: str, value: str) -> bool:
    """Tell whether labels are as ``label`` or ``label!`` asks for them."""
    return has_label(labels, value) == (key == "label")


def fits_name(name: str, pattern: str) -> bool:
    """Tell whether a name has a pattern in it: a regular expression, as with Docker. Raises UsageError."""
    if pattern in name:
        return True  # as nearly all that are asked for
    if pattern.replace("_", "").replace("-", "").isalnum():
        return False
    import re  # noqa: PLC0415 - slow, and for the rarer filters

    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise UsageError(f"--filter name={pattern}: it is no regular expression: {error}") from error
