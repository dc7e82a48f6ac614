"""Values as Go's ``fmt`` writes them: ``Print``, ``Println`` and ``Printf``."""

from __future__ import annotations

from runtime.gotemplate.numbers import show_float
from runtime.gotemplate.quoting import quote, to_bytes, to_text
from runtime.gotemplate.values import Moment, Nil, Struct, Unsigned, kind_of, type_of
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

#: What flags of ``%v`` are: the names of fields, or all as in a program.
_OF_V: Final = str.maketrans("+#", "ns")
#: Beyond it Go takes no width and no precision.
_WIDEST: Final = 1_000_000


def show(value: Any) -> str:
    """Write a value as ``%v`` does."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, Moment):
        return value.text
    if isinstance(value, Nil):
        return {"slice": "[]", "map": "map[]"}.get(value.kind, "<nil>")
    if isinstance(value, list):
        return f"[{' '.join(map(show, value))}]"
    if isinstance(value, Struct):
        return f"{{{' '.join(show(item) for item in value.fields().values())}}}"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{show(value[key])}' for key in sorted(value))}]"
    return str(int(value))


def show_all(values: Sequence[Any]) -> str:
    """Write values one after the other, with a space between two of which none is a text."""
    shown = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            shown += " "
        shown += show(value)
    return shown


class _Verb(NamedTuple):
    """One of a format, as ``%-5.2f``."""

    letter: str
    flags: str = ""
    width: int | None = None
    precision: int | None = None


def show_formatted(text: str, *values: Any) -> str:
    """Write values as a format says."""
    return _Format(text, values).show()


class _Format:
    def __init__(self, text: str, values: Sequence[Any]) -> None:
        self._text = text
        self._values = values
        self._place = 0
        self._next = 0
        self._reordered = False

    def show(self) -> str:
        """Write it all."""
        written = []
        while self._place < len(self._text):
            end = self._text.find("%", self._place)
            end = len(self._text) if end < 0 else end
            written.append(self._text[self._place : end])
            self._place = end + 1
            if end < len(self._text):
                written.append(self._show_verb())
        if not self._reordered and self._next < len(self._values):
            extra = ", ".join(
                "<nil>" if value is None else f"{type_of(value)}={show(value)}" for value in self._values[self._next :]
            )
            written.append(f"%!(EXTRA {extra})")
        return "".join(written)

    def _show_verb(self) -> str:
        flags = self._take_while("+-# 0")
        wrong = self._take_index()
        width, said = self._number("WIDTH")
        if width is not None and width < 0:
            flags, width = f"{flags}-", -width
        precision = None
        if self._text.startswith(".", self._place) and self._place + 1 < len(self._text):
            self._place += 1
            wrong = self._take_index() or wrong
            precision, more = self._number("PREC")
            said, precision = said + more, (0 if precision is None and not more else precision)
            precision = None if precision is not None and precision < 0 else precision
        wrong = self._take_index() or wrong
        letter = self._text[self._place : self._place + 1]
        self._place += 1
        if not letter:
            return f"{said}%!(NOVERB)"
        if letter == "%":
            return f"{said}%"
        if wrong:
            return f"{said}%!{letter}(BADINDEX)"
        if self._next >= len(self._values):
            return f"{said}%!{letter}(MISSING)"
        self._next += 1
        if letter == "v":
            flags = flags.translate(_OF_V)
        return said + _show_with(_Verb(letter, flags, width, precision), self._values[self._next - 1])

    def _take_while(self, letters: str) -> str:
        start = self._place
        while self._text[self._place : self._place + 1] in tuple(letters):
            self._place += 1
        return self._text[start : self._place]

    def _take_index(self) -> bool:
        """Read ``[2]``, which says which value comes next; tell whether there is none."""
        if self._text[self._place : self._place + 1] != "[":
            return False
        self._reordered = True
        end = self._text.find("]", self._place)
        digits = self._text[self._place + 1 : end]
        if end < 0 or not (digits.isascii() and digits.isdecimal()):
            self._place = end + 1 if end >= 0 else self._place + 1
            return True
        self._place = end + 1
        if not 1 <= int(digits[:9]) <= len(self._values):
            return True
        self._next = int(digits) - 1
        return False

    def _number(self, kind: str) -> tuple[int | None, str]:
        """Read a width or a precision; give it, and what is to be said if it is none."""
        if self._text[self._place : self._place + 1] == "*":
            self._place += 1
            value = self._values[self._next] if self._next < len(self._values) else None
            self._next += self._next < len(self._values)
            if not isinstance(value, int) or kind_of(value) == "bool" or abs(value) > _WIDEST:
                return None, f"%!(BAD{kind})"
            return (None, "%!(BADPREC)") if kind == "PREC" and value < 0 else (int(value), "")
        digits = self._take_while("0123456789")
        if not digits:
            return None, ""
        if len(digits) < 8 and int(digits) <= _WIDEST:
            return int(digits), ""
        self._place = len(self._text)  # which Go takes for the end
        return None, ""


def _show_with(verb: _Verb, value: Any) -> str:
    """Write a value as one verb says."""
    if verb.letter == "T":
        return _pad("<nil>" if value is None else type_of(value), verb._replace(letter="s"))
    if value is None:
        return _pad("<nil>", verb) if verb.letter == "v" else f"%!{verb.letter}(<nil>)"
    if isinstance(value, Moment) and verb.letter in "vsq":
        value = value.text
    if isinstance(value, (list, dict)) and verb.letter != "p":
        return _show_inside(verb, value)
    if isinstance(value, Nil):
        return _show_nil(verb, value)
    found = _show_basic(verb, value)
    if found is not None:
        return found
    plain = _show_basic(verb._replace(letter="v"), value) if kind_of(value) != "struct" else show(value)
    return f"%!{verb.letter}({type_of(value)}={plain})"


def _show_basic(verb: _Verb, value: Any) -> str | None:
    """Write what is not made of others; None if the verb is for other types."""
    if isinstance(value, bool):
        return _pad(show(value), verb) if verb.letter in "tv" else None
    if isinstance(value, int):
        return _show_int(verb, value)
    if isinstance(value, float):
        return _show_float(verb, value)
    return _show_text(verb, value) if isinstance(value, str) else None


def _show_inside(verb: _Verb, value: Any) -> str:
    """Write what is in a list, a map or a record, each as the verb says."""
    full = "s" in verb.flags
    named = full or "n" in verb.flags
    if isinstance(value, list):
        parts = [_show_part(verb, item) for item in value]
    elif isinstance(value, Struct):
        parts = [f"{f'{name}:' * named}{_show_part(verb, item)}" for name, item in value.fields().items()]
    else:
        parts = [f"{_show_part(verb, key)}:{_show_part(verb, value[key])}" for key in sorted(value)]
    if full:
        return f"{type_of(value)}{{{', '.join(parts)}}}"
    first, last = "[]" if isinstance(value, list) else "{}" if isinstance(value, Struct) else ("map[", "]")
    return f"{first}{' '.join(parts)}{last}"


def _show_part(verb: _Verb, value: Any) -> str:
    return "<nil>" if value is None else _show_with(verb, value)


def _show_nil(verb: _Verb, value: Nil) -> str:
    if value.kind != "ptr":
        return show(value)
    return _pad("<nil>", verb) if verb.letter == "v" else f"%!{verb.letter}({value.type_name}=<nil>)"


def _show_text(verb: _Verb, value: str) -> str | None:
    if verb.letter in "xX":
        return _show_bytes(verb, value)
    if verb.letter not in "svq":
        return None
    if "s" in verb.flags:
        return _pad(quote(value), verb)
    if verb.precision is not None:
        value = value[: verb.precision]
    if verb.letter == "q":
        if "#" in verb.flags and "`" not in value and all(c.isprintable() or c == "\t" for c in value):
            return _pad(f"`{value}`", verb)
        return _pad(quote(value, ascii_only="+" in verb.flags), verb)
    return _pad(value, verb)


def _show_bytes(verb: _Verb, value: str) -> str:
    raw = to_bytes(value)[: verb.precision]
    prefix = f"0{verb.letter}" if "#" in verb.flags and raw else ""
    pairs = [f"{byte:02{verb.letter}}" for byte in raw]
    return _pad(prefix + (f" {prefix}" if " " in verb.flags else "").join(pairs), verb)


def _show_int(verb: _Verb, value: int) -> str | None:
    if verb.letter == "c":
        return _pad(_character(value), verb)
    if verb.letter == "q":
        return _pad(quote(_character(value), "'", ascii_only="+" in verb.flags), verb)
    if verb.letter == "U":
        return _pad(_unicode(verb, value), verb)
    bases = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
    if verb.letter not in bases:
        return None
    if "s" in verb.flags and isinstance(value, Unsigned):
        return _pad(f"{int(value):#x}", verb)
    digits = f"{abs(value):{bases[verb.letter]}}"
    sign = "-" if value < 0 else "+" if "+" in verb.flags else " " if " " in verb.flags else ""
    prefix = {"O": "0o"}.get(verb.letter, "")
    if "#" in verb.flags:
        prefix = {"b": "0b", "o": "" if digits.startswith("0") else "0", "x": "0x", "X": "0X"}.get(verb.letter, prefix)
    if verb.precision is not None:
        digits = "" if verb.precision == value == 0 else digits.rjust(verb.precision, "0")
        return _pad(sign + prefix + digits if digits else "", verb._replace(flags=verb.flags.replace("0", "")))
    if "0" in verb.flags and "-" not in verb.flags and verb.width:
        digits = digits.rjust(verb.width - len(sign), "0")
    return _pad(sign + prefix + digits, verb._replace(flags=verb.flags.replace("0", "")))


def _character(value: int) -> str:
    return chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else "\N{REPLACEMENT CHARACTER}"


def _unicode(verb: _Verb, value: int) -> str:
    code = f"U+{value & (2**64 - 1):0{max(verb.precision or 0, 4)}X}"
    letter = _character(value)
    return f"{code} '{letter}'" if "#" in verb.flags and 0 <= value <= 0x10FFFF and letter.isprintable() else code


def _show_float(verb: _Verb, value: float) -> str | None:
    if verb.letter == "v" and verb.precision is None:
        text = show_float(value, wide="s" in verb.flags)
    elif verb.letter in "vgG":
        text = _general(verb, value)
    elif verb.letter in "eE":
        text = f"{value:.{6 if verb.precision is None else verb.precision}{verb.letter}}"
    elif verb.letter in "fF":
        text = f"{value:.{6 if verb.precision is None else verb.precision}f}"
    else:
        return None
    sign = "-" if text.startswith("-") else "+" if "+" in verb.flags else " " if " " in verb.flags else ""
    digits = text.removeprefix("-").removeprefix("+")
    if "0" in verb.flags and "-" not in verb.flags and verb.width:
        digits = digits.rjust(verb.width - len(sign), "0")
    return _pad(sign + digits, verb._replace(flags=verb.flags.replace("0", "")))


def _general(verb: _Verb, value: float) -> str:
    """Write with as many digits as it takes, or as are asked for."""
    if verb.precision is not None:
        letter = "G" if verb.letter == "G" else "g"
        return f"{value:.{verb.precision}{letter}}"
    text = show_float(value)
    return text.upper() if verb.letter == "G" else text


def _pad(text: str, verb: _Verb) -> str:
    if verb.width is None:
        return text
    if "-" in verb.flags:
        return text.ljust(verb.width)
    return text.rjust(verb.width, "0" if "0" in verb.flags and verb.letter != "T" else " ")


def length_of(text: str) -> int:
    """Count the bytes of a text."""
    return len(to_bytes(text))


def part_of(text: str, start: int, end: int) -> str:
    """Give a part of a text, by bytes."""
    return to_text(to_bytes(text)[start:end])
