"""How a person is attached to what runs: the options of all commands that attach."""

from __future__ import annotations

from runtime import frames as f
from runtime.attach import Manner
from runtime.cli.options import Option
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from runtime.cli.options import Options

DETACH_KEYS: Final = Option(
    "--detach-keys", "Leave what goes on by these keys (default: ctrl-p,ctrl-q)", "KEY[,KEY...]"
)
SIG_PROXY: Final = Option("--sig-proxy", "Pass signals on to it (default); --sig-proxy=false: leave by them")
STREAM: Final = Option("--attach", "Attach to stdin, stdout or stderr alone; may be repeated", "STREAM", "-a")
_STREAMS: Final = {"stdin": f.STDIN, "stdout": f.STDOUT, "stderr": f.STDERR}
_DEFAULT: Final = "ctrl-p,ctrl-q"
#: What ctrl can be held with beside letters (docker, moby/term, ascii.go).
_MARKS: Final = "@[\\]^_"


def read_manner(options: Options, streams: Sequence[str] = ()) -> Manner:
    """Read how a person is to be attached; no ``streams`` are all. Raises UsageError."""
    for name in streams:
        if name.lower() not in _STREAMS:
            raise UsageError(f"--attach {name}: a stream is {', '.join(_STREAMS)}")
    manner = Manner(keys=read_keys(options), proxy=options.last(SIG_PROXY.name) != "false")
    return manner._replace(shown=frozenset(_STREAMS[name.lower()] for name in streams)) if streams else manner


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
