"""Header values of the distribution protocol: each is built and parsed here and nowhere else."""

import itertools
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from storage.oci.errors import RangeInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping


class Span(NamedTuple):
    """Bytes ``start`` up to, not including, ``stop``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.stop - self.start


#: As many as podman asks for at once.
_RANGES_MOST: Final = 1024
_RANGES_IN_ANY_ORDER: Final = 16
_DIGITS: Final = r"[0-9]{1,19}"
_RANGE: Final = re.compile(rf"({_DIGITS})?\s*-\s*({_DIGITS})?\Z")
_CONTENT_RANGE: Final = re.compile(rf"(?:bytes\s+)?({_DIGITS})-({_DIGITS})(?:/(?:{_DIGITS}|\*))?\Z")
# What is possessive is never given back, so no text makes these try more than once.
_TARGET: Final = re.compile(r"[\s,]*+<([^>]*+)>")
_TARGET_PARAMETER: Final = re.compile(r'\s*+;\s*+([^\s=;,"]*+)\s*+(?:=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;,"]*+)))?+')
_CHALLENGE: Final = re.compile(r"\s*+([A-Za-z]++)\s++(.*+)\Z", re.DOTALL)
_PARAMETER: Final = re.compile(r'([A-Za-z_]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++))\s*+(?:,\s*+|\Z)')


def parse_ranges(value: str, size: int) -> list[Span]:
    """Read a ``Range`` request header for content of ``size`` bytes (RFC 9110, section 14.2), in its order.

    None of them means: send everything, as for a unit other than bytes, a malformed value, empty content, or more than
    a server needs to put up with (see ``_is_bearable``). Ranges outside the content are left out.

    Raises:
        RangeInvalid: all ranges lie outside the content, or end before they begin.

    """
    unit, _, specs = value.partition("=")
    if unit.strip().lower() != "bytes" or specs.count(",") >= _RANGES_MOST or not size:
        return []
    matches = [_RANGE.match(spec.strip()) for spec in specs.split(",") if spec.strip()]
    spans = []
    for match in matches:
        if match is None or match.groups() == (None, None):
            return []
        first, last = match.groups()
        if first is None:
            span = Span(max(0, size - int(last)), size)
        else:
            span = Span(int(first), size if last is None else min(int(last) + 1, size))
        if span.length > 0:
            spans.append(span)
    if matches and not spans:
        raise RangeInvalid(f"the range {value[:100]!r} holds no byte of the {size} there are")
    return spans if _is_bearable(spans, size) else []


def _is_bearable(spans: list[Span], size: int) -> bool:
    """Tell whether ranges ask for no more than the content, and many of them for one piece after the other."""
    if sum(span.length for span in spans) > size:
        return False
    ascend = all(before.stop <= after.start for before, after in itertools.pairwise(spans))
    return ascend or len(spans) <= _RANGES_IN_ANY_ORDER


def format_content_range(span: Span, size: int) -> str:
    """Say which bytes of how many a 206 response carries (RFC 9110, section 14.4)."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def format_unsatisfied_range(size: int) -> str:
    """Say how many bytes there are where a range asked for others."""
    return f"bytes */{size}"


def parse_content_range(value: str) -> Span:
    """Read the ``Content-Range`` of a chunk: ``first-last``; ``bytes`` and ``/total`` are tolerated.

    Raises:
        RangeInvalid: it is not of that form, or ends before it begins.

    """
    match = _CONTENT_RANGE.match(value.strip())
    if match is None:
        raise RangeInvalid("the Content-Range of a chunk is of the form <first>-<last>", value[:100])
    span = Span(int(match[1]), int(match[2]) + 1)
    if span.length <= 0:
        raise RangeInvalid("the Content-Range of a chunk ends before it begins", value[:100])
    return span


def format_upload_range(offset: int) -> str:
    """Say what an upload session holds; it is ``0-0`` while empty, as clients cannot read anything else there."""
    return f"0-{max(offset - 1, 0)}"


def parse_upload_range(value: str) -> int:
    """Read an upload session's ``Range`` as the number of bytes it holds; ``0-0`` is taken for none.

    Raises:
        RangeInvalid: it is not of the form ``0-<last>``.

    """
    span = parse_content_range(value)
    if span.start != 0:
        raise RangeInvalid("the Range of an upload session begins with 0", value[:100])
    return 0 if span.stop == 1 else span.stop


def format_link(path: str, parameters: "Mapping[str, str | int | list[str]]") -> str:
    """Point to the next page by path alone, which is right behind any proxy."""
    return f'<{path}?{urlencode(parameters, doseq=True)}>; rel="next"'


def parse_link(value: str) -> str | None:
    """Find the target of the ``rel="next"`` link in a ``Link`` header (RFC 8288)."""
    target = _TARGET.match(value)
    while target is not None:
        position, relations = target.end(), ""
        while parameter := _TARGET_PARAMETER.match(value, position):
            position = parameter.end()
            name, quoted, bare = parameter.groups()
            if name.lower() == "rel":
                relations = relations or quoted or bare or ""
        if "next" in relations.lower().split():
            return target[1]
        target = _TARGET.match(value, position)
    return None


class Challenge(NamedTuple):
    """A demand for credentials, as ``WWW-Authenticate`` carries it; ``scheme`` is in lower case."""

    scheme: str
    parameters: dict[str, str]


def format_challenge(challenge: Challenge) -> str:
    """Write a challenge; every value is quoted, as clients expect."""
    quoted = (
        '{}="{}"'.format(key, value.replace("\\", "\\\\").replace('"', '\\"'))
        for key, value in challenge.parameters.items()
    )
    return f"{challenge.scheme.title()} {','.join(quoted)}"


def parse_challenge(value: str) -> Challenge | None:
    """Read one challenge; None where it is not of the form ``Scheme key="value",...``."""
    match = _CHALLENGE.match(value)
    if match is None:
        return None
    parameters = {}
    position, text = 0, match[2].strip()
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if parameter is None:
            return None
        key, quoted, bare = parameter.groups()
        parameters[key.lower()] = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = parameter.end()
    return Challenge(match[1].lower(), parameters)


def parse_etags(value: str) -> frozenset[str]:
    """Read ``If-None-Match`` or ``If-Match``: tags with or without quotes, weak or not; ``*`` stands for any."""
    items = (item.strip().removeprefix("W/").strip('"') for item in value.split(","))
    return frozenset(item for item in items if item)
