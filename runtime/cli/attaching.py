"""How a person wants to be attached to what runs."""

from __future__ import annotations

from runtime import frames as f
from runtime.cli.shared_options import DETACH_KEYS, SIG_PROXY
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.cli.options import Options
    from runtime.manner import Manner

_STREAMS: Final = {"stdin": f.STDIN, "stdout": f.STDOUT, "stderr": f.STDERR}
_DEFAULT: Final = "ctrl-p,ctrl-q"
#: What ctrl can be held with beside letters (docker, moby/term, ascii.go).
_MARKS: Final = "@[\\]^_"


def ask_manner(options: Options, manner: Manner) -> Manner:
    """Add to the manner what the options say. Raises UsageError."""
    return manner._replace(keys=read_keys(options), proxy=options.last(SIG_PROXY.name) != "false")


def ask_streams(options: Options, manner: Manner) -> Manner:
    """Leave of the manner those streams that ``--attach`` names. Raises UsageError."""
    names = [name.lower() for name in options.all("--attach")]
    for name in names:
        if name not in _STREAMS:
            raise UsageError(f"--attach {name}: a stream is {', '.join(_STREAMS)}")
    return manner._replace(shown=frozenset(_STREAMS[name] for name in names))


def read_keys(options: Options) -> bytes:
    """Read the keys as a terminal sends them. Raises UsageError."""
    text = options.last(DETACH_KEYS.name) or _DEFAULT
    return bytes(_read_key(key, text) for key in text.split(","))


def _read_key(key: str, text: str) -> int:
    if len(key) == 1 and key.isascii():
        return ord(key)
    held = key.removeprefix("ctrl-")
    if held != key and len(held) == 1 and (held in _MARKS or (held.isascii() and held.isalpha())):
        return ord(held.upper()) & 0x1F
    raise UsageError(f"--detach-keys {text}: a key is a character, or ctrl- and a letter or one of {_MARKS}")
