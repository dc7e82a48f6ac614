"""``--gpus``, as docker has it: the GPUs of NVIDIA, by the names that they have as CDI devices."""

from csv import Error, reader

from runtime.errors import UsageError

_DRIVERS = ("", "nvidia", "cdi")


def read_gpus(text: str) -> tuple[str, ...]:
    """Read ``all``, a number, or ``device=ID[,ID...]``, perhaps with driver and capabilities. Raises UsageError."""
    ids: list[str] | None = None
    for field in _fields(text):
        key, equals, value = field.partition("=")
        if not equals or key == "count":
            ids = _count(value if equals else key, text)
        elif key == "device":
            ids = value.split(",")
        elif not (key == "capabilities" or (key == "driver" and value in _DRIVERS)):
            raise UsageError(f"--gpus {text}: {field} is not known; there are all, a number, device, and driver=nvidia")
    if not ids or not all(ids):
        raise UsageError(f"--gpus {text}: say which: all, a number of them, or device=ID[,ID...]")
    return tuple(f"nvidia.com/gpu={each}" for each in ids)


def _fields(text: str) -> list[str]:
    try:
        return next(reader([text], strict=True), [])
    except Error as error:
        raise UsageError(f"--gpus {text!r}: the quotes are wrong") from error


def _count(value: str, text: str) -> list[str]:
    if value in ("all", "-1"):
        return ["all"]
    if not value.isdecimal() or not value.isascii() or not 0 < int(value[:4]) < 1000:
        raise UsageError(f"--gpus {text}: {value!r} is no number of GPUs")
    return [str(number) for number in range(int(value))]
