"""Which volumes ``preg volume ls`` and ``preg volume prune`` are asked for."""

from runtime.cli.filters import fits_labels, fits_name, is_true
from runtime.volumes import Volume


def matches(volume: Volume, key: str, value: str, *, used: bool) -> bool:
    """Tell whether a volume is as a filter asks for it; ``used`` is whether a container has it."""
    if key == "dangling":
        return used != is_true(value)
    if key == "name":
        return fits_name(volume.name, value)
    if key == "driver":
        return value == "local"
    return fits_labels(volume.labels, key, value)
