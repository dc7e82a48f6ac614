"""Which volumes ``preg volume ls`` and ``preg volume prune`` are asked for."""

from runtime.cli.labels import has_label
from runtime.cli.name_filter import fits_name
from runtime.cli.options import Options
from runtime.errors import UsageError
from runtime.volumes import Volume


def read_filters(options: Options, keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Read the filters that were given, of these keys. Raises UsageError."""
    filters = options.pairs("--filter", keys)
    for key, value in filters:
        if key == "dangling" and value not in ("true", "1", "false", "0"):
            raise UsageError(f"--filter {key}={value}: dangling is true or false")
    return filters


def matches(volume: Volume, key: str, value: str, *, used: bool) -> bool:
    """Tell whether a volume passes a filter; ``used`` is whether a container has it."""
    if key == "dangling":
        return used != (value in ("true", "1"))
    if key == "name":
        return fits_name(volume.name, value)
    if key == "driver":
        return value == "local"
    return has_label(volume.labels, value) == (key == "label")
