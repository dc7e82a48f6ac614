"""Which volumes ``preg volume ls`` and ``preg volume prune`` are asked for."""

from runtime.cli.labels import has_label
from runtime.cli.name_filter import fits_name
from runtime.errors import UsageError
from runtime.volumes import Volume


def read_filter(text: str, keys: tuple[str, ...]) -> tuple[str, str]:
    """Read ``KEY=VALUE`` with one of the keys. Raises UsageError."""
    key, equals, value = text.partition("=")
    if text.startswith("label!="):
        key, value = "label!", text.removeprefix("label!=")
    if key not in keys or not equals:
        raise UsageError(f"--filter {text}: it is KEY=VALUE with {', '.join(keys)}")
    if key == "dangling" and value not in ("true", "1", "false", "0"):
        raise UsageError(f"--filter {text}: dangling is true or false")
    return key, value


def matches(volume: Volume, key: str, value: str, *, used: bool) -> bool:
    """Tell whether a volume passes a filter; ``used`` is whether a container has it."""
    if key == "dangling":
        return used != (value in ("true", "1"))
    if key == "name":
        return fits_name(volume.name, value)
    if key == "driver":
        return value == "local"
    return has_label(volume.labels, value) == (key == "label")
