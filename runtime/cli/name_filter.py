"""Names as filters ask for them."""

from __future__ import annotations

from runtime.errors import UsageError


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
