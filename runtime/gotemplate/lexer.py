"""The words of a template."""

from __future__ import annotations

from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

# Kinds of tokens.
TEXT: Final = "text"
LEFT: Final = "{{"
RIGHT: Final = "}}"
SPACE: Final = "space"
FIELD: Final = "field"
VARIABLE: Final = "variable"
IDENTIFIER: Final = "identifier"
KEYWORD: Final = "keyword"
DOT: Final = "."
NIL: Final = "nil"
BOOL: Final = "bool"
NUMBER: Final = "number"
CHARACTER: Final = "character"
STRING: Final = "string"
OTHER: Final = "other"
END: Final = "EOF"
ERROR: Final = "error"

_SPACES: Final = " \t\r\n"
_KEYWORDS: Final = frozenset(("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"))


class Token(NamedTuple):
    """A word, with its place and its line in the template."""

    kind: str
    position: int
    text: str
    line: int

    def __str__(self) -> str:
        """How errors call it."""
        if self.kind in (END, ERROR):
            return self.text
        if self.kind in (KEYWORD, NIL, DOT):
            return f"<{self.text}>"
        from runtime.gotemplate.quoting import quote, to_bytes  # noqa: PLC0415 - for errors alone

        text = RIGHT if self.kind == RIGHT else self.text
        return f"{quote(text[:10])}..." if len(to_bytes(text)) > 10 else quote(text)


class _Bad(Exception):
    """No token begins here; the text says why."""


def tokens(text: str) -> Iterator[Token]:
    """Give the tokens; what is no token is one of the kind ``ERROR``, and the last."""
    position, trim = 0, False
    while True:
        start = position
        opened = text.find(LEFT, position)
        plain = text[position:] if opened < 0 else text[position:opened]
        if trim:
            plain, start = plain.lstrip(_SPACES), start + len(plain) - len(plain.lstrip(_SPACES))
        position = len(text) if opened < 0 else opened + 2
        marked = opened >= 0 and text[position : position + 1] == "-" and text[position + 1 : position + 2] in _spaces()
        if marked:
            plain = plain.rstrip(_SPACES)
        if plain:
            yield Token(TEXT, start, plain, _line(text, start))
        if opened < 0:
            yield Token(END, len(text), "EOF", _line(text, len(text)))
            return
        position += 2 if marked else 0
        if text.startswith("/*", position):
            try:
                position, trim = _comment(text, position)
            except _Bad as bad:
                yield Token(ERROR, opened, str(bad), _line(text, opened))
                return
            continue
        yield Token(LEFT, opened, LEFT, _line(text, opened))
        for token in _action(text, position):
            yield token
            if token.kind == ERROR:
                return
        trim = token.text != RIGHT
        position = token.position + len(token.text)


def _spaces() -> tuple[str, ...]:
    return tuple(_SPACES)


def _line(text: str, position: int) -> int:
    return 1 + text.count("\n", 0, position)


def _comment(text: str, position: int) -> tuple[int, bool]:
    """Pass over a comment; give where it ends, and whether white space after it goes."""
    end = text.find("*/", position + 2)
    if end < 0:
        raise _Bad("unclosed comment")
    marker = right_delimiter(text, end + 2)
    if marker is None:
        raise _Bad("comment ends before closing delimiter")
    return end + 2 + len(marker), marker != RIGHT


def right_delimiter(text: str, position: int) -> str | None:
    """Give what closes the action here, with its marker for white space; None if nothing does."""
    if text.startswith(RIGHT, position):
        return RIGHT
    marked = text[position : position + 1] in _spaces() and text.startswith("-}}", position + 1)
    return text[position : position + 4] if marked else None


def _action(text: str, position: int) -> Iterator[Token]:
    """Give the tokens of an action, up to what closes it."""
    depth = 0
    while True:
        start = position
        try:
            if (closing := right_delimiter(text, position)) is not None:
                if depth:
                    raise _Bad("unclosed left paren")
                yield Token(RIGHT, position, closing, _line(text, position))
                return
            kind, position = _token(text, position)
            depth += {"(": 1, ")": -1}.get(text[start:position], 0)
            if depth < 0:
                raise _Bad("unexpected right paren")
        except _Bad as bad:
            yield Token(ERROR, start, str(bad), _line(text, start))
            return
        yield Token(kind, start, text[start:position], _line(text, start))


def _token(text: str, position: int) -> tuple[str, int]:
    """Give the kind of the token that begins here, and where it ends."""
    letter, following = text[position : position + 1], text[position + 1 : position + 2]
    if letter == "":
        raise _Bad("unclosed action")
    if letter in _SPACES:
        return SPACE, _end_of_space(text, position)
    if letter in "\"`'":
        return _quoted(text, position, letter)
    if letter == "$":
        return VARIABLE, _end_of_name(text, position + 1)
    if letter == "." and following not in ("", *"0123456789"):
        end = _end_of_name(text, position + 1)
        return (DOT if end == position + 1 else FIELD), end
    if letter in "+-.0123456789":
        return NUMBER, _end_of_number(text, position)
    if _is_alphanumeric(letter):
        end = _end_of_name(text, position)
        word = text[position:end]
        return KEYWORD if word in _KEYWORDS else {"true": BOOL, "false": BOOL, "nil": NIL}.get(word, IDENTIFIER), end
    return OTHER, _end_of_sign(text, position)


def _end_of_sign(text: str, position: int) -> int:
    letter = text[position]
    if letter == ":":
        if not text.startswith(":=", position):
            raise _Bad("expected :=")
        return position + 2
    if not letter.isascii() or not letter.isprintable():
        raise _Bad(f"unrecognized character in action: {show_rune(letter)}")
    return position + 1


def _end_of_space(text: str, position: int) -> int:
    end = position
    while text[end : end + 1] in _spaces():
        end += 1
    # The last of the spaces may belong to what closes the action.
    return end - 1 if end - 1 > position and text.startswith("-}}", end) else end


def _quoted(text: str, position: int, quote: str) -> tuple[str, int]:
    end = position + 1
    while (letter := text[end : end + 1]) != quote:
        if letter == "\\" and quote != "`":
            end += 1
            letter = text[end : end + 1]
        if letter == "" or (letter == "\n" and quote != "`"):
            names = {'"': "quoted string", "`": "raw quoted string", "'": "character constant"}
            raise _Bad(f"unterminated {names[quote]}")
        end += 1
    return CHARACTER if quote == "'" else STRING, end + 1


def _end_of_name(text: str, position: int) -> int:
    end = position
    while _is_alphanumeric(text[end : end + 1]):
        end += 1
    after = text[end : end + 1]
    if after not in ("", *_SPACES, *".,|:)(") and not text.startswith(RIGHT, end):
        raise _Bad(f"bad character {show_rune(after)}")
    return end


def _end_of_number(text: str, position: int) -> int:
    end = position + (text[position] in "+-")
    digits, exponent = "0123456789_", "eE"
    prefixes = {"x": "0123456789abcdefABCDEF_", "o": "01234567_", "b": "01_"}
    prefix = text[end + 1 : end + 2].lower()
    if text[end : end + 1] == "0" and prefix in prefixes:
        digits, exponent, end = prefixes[prefix], "pP" if prefix == "x" else "", end + 2
    end = _run(text, end, digits)
    if text.startswith(".", end):
        end = _run(text, end + 1, digits)
    if exponent and text[end : end + 1] in tuple(exponent):
        end += 2 if text[end + 1 : end + 2] in tuple("+-") else 1
        end = _run(text, end, "0123456789_")
    if text.startswith("i", end):
        end += 1
    if _is_alphanumeric(text[end : end + 1]) or text[end : end + 1] in tuple("+-"):
        from runtime.gotemplate.quoting import quote  # noqa: PLC0415 - for errors alone

        raise _Bad(f"bad number syntax: {quote(text[position : end + 1])}")
    return end


def _run(text: str, position: int, letters: str) -> int:
    while text[position : position + 1] in tuple(letters):
        position += 1
    return position


def _is_alphanumeric(letter: str) -> bool:
    return letter == "_" or letter.isalpha() or letter.isdecimal()


def show_rune(letter: str) -> str:
    """Write a character as Go's ``%#U`` does."""
    code = f"U+{ord(letter):04X}"
    return f"{code} '{letter}'" if letter.isprintable() else code
