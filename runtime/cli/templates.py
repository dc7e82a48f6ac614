"""Docker's templates: its functions beside Go's own, its tables, and its documents."""

from __future__ import annotations

from runtime.errors import Fault
from runtime.gotemplate.encoding import encode
from runtime.gotemplate.errors import TemplateError
from runtime.gotemplate.execution import CallError, execute
from runtime.gotemplate.functions import BUILTINS
from runtime.gotemplate.parser import parse
from runtime.gotemplate.values import ANY, INT, STRING, STRINGS, Function, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Final

    from runtime.gotemplate.parser import Template

_NARROWEST: Final = 10
_GAP: Final = 3
#: So much a template may repeat a text.
_LONGEST: Final = 10_000_000


class TemplateFault(Fault):
    """A template that cannot be read, or not be executed."""

    def __init__(self, error: TemplateError, status: int) -> None:
        super().__init__(f"template parsing error: {error}")
        self.status = status


def _title(text: str) -> str:
    """Write the first letter of each word as a capital, as Go's ``strings.Title``."""
    before, written = " ", []
    for letter in text:
        written.append(letter if before == "_" or before.isalnum() else letter.title())
        before = letter
    return "".join(written)


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _pad(text: str, before: int, after: int) -> str:
    if not text:
        return text
    if min(before, after) < 0:
        raise CallError("strings: negative Repeat count")
    if max(before, after) > _LONGEST:
        raise CallError("strings: Repeat output length overflow")
    return f"{' ' * before}{text}{' ' * after}"


def _truncate(text: str, length: int) -> str:
    from runtime.gotemplate.quoting import to_bytes, to_text  # noqa: PLC0415 - few templates cut

    if length < 0:
        raise CallError(f"runtime error: slice bounds out of range [:{length}]")
    return to_text(to_bytes(text)[:length])


#: The functions of every template.
FUNCTIONS: Final = BUILTINS | {
    "json": Function(encode, (ANY,)),
    "join": Function(lambda texts, separator: separator.join(texts), (STRINGS, STRING)),
    "split": Function(_split, (STRING, STRING)),
    "title": Function(_title, (STRING,)),
    "lower": Function(str.lower, (STRING,)),
    "upper": Function(str.upper, (STRING,)),
    "pad": Function(_pad, (STRING, INT, INT)),
    "truncate": Function(_truncate, (STRING, INT)),
}
#: What they are for the heads of a table, which stay as they are.
_HEAD_FUNCTIONS: Final = FUNCTIONS | {
    "json": Function(str, (STRING,)),
    "title": Function(str, (STRING,)),
    "lower": Function(str, (STRING,)),
    "upper": Function(str, (STRING,)),
    "join": Function(lambda text, _: text, (STRING, STRING)),
    "split": Function(lambda text, _: text, (STRING, STRING)),
    "truncate": Function(lambda text, _: text, (STRING, INT)),
}


def read_template(text: str, *, status: int = 64) -> Template:
    """Read a template; if it is wrong the command ends with this status. Raises TemplateFault."""
    try:
        return parse(text, FUNCTIONS)
    except TemplateError as error:
        raise TemplateFault(error, status) from error


def render(template: Template, document: dict[str, Any]) -> str:
    """Give what a template makes of what ``inspect`` tells. Raises TemplateFault.

    As with Docker that is a record at first. Where the template fails it is the JSON that is printed without one.
    """
    from runtime.cli.typed import typed  # noqa: PLC0415 - lists need no types

    try:
        return execute(template, typed(document), FUNCTIONS)
    except TemplateError:
        return _execute(template, document, strict=True)


def render_record(template: Template, document: dict[str, Any], kind: str) -> str:
    """Give what a template makes of a record, which is called ``kind`` in errors. Raises TemplateFault."""
    from runtime.cli.typed import typed  # noqa: PLC0415 - as above

    record = typed(document)
    record.type_name = kind
    return _execute(template, record)


def render_event(template: Template, event: dict[str, Any]) -> str:
    """Give what a template makes of an event, whose fields have capitals in Go alone. Raises TemplateFault."""
    from runtime.cli.typed import typed  # noqa: PLC0415 - as above

    names = {"id": "ID", "timeNano": "TimeNano"}
    record = typed({names.get(name) or name.title(): value for name, value in event.items()})
    record.type_name, record.source = "*events.Message", event
    return _execute(template, record)


def _execute(template: Template, data: Any, *, strict: bool = False) -> str:
    try:
        return execute(template, data, FUNCTIONS, strict=strict)
    except TemplateError as error:
        raise TemplateFault(error, 1) from error


def render_rows(
    records: Iterable[Mapping[str, Any]], names: Sequence[str], heads: Mapping[str, str], wanted: str
) -> str:
    """Give what a template makes of each record, one to a line; below heads if it begins with ``table``.

    A record may have its labels as ``Label``. Raises TemplateFault.
    """
    table = wanted.startswith("table")
    text = wanted.removeprefix("table").strip(" ").replace("\\t", "\t").replace("\\n", "\n")
    template = read_template(text, status=1)
    rows = [_row(record, names) for record in records]
    try:
        lines = [execute(template, row, FUNCTIONS) + "\n" for row in rows]
    except TemplateError as error:
        known = f"; the fields are {', '.join(names)}" if "can't evaluate field" in str(error) else ""
        raise TemplateFault(TemplateError(f"{error}{known}"), 1) from error
    if not table:
        return "".join(lines)
    try:
        head = execute(template, _head(names, heads), _HEAD_FUNCTIONS)
    except TemplateError:
        head = ""  # what can be done with the fields cannot be with their heads
    return align("".join((f"{head}\n", *lines)))


def _row(record: Mapping[str, Any], names: Sequence[str]) -> Struct:
    row = Struct({name: record[name] for name in names})
    row.source, row.escaped = {name: record[name] for name in sorted(names)}, True
    labels = record.get("Label")
    if labels is not None:
        row["Label"] = Function(lambda name: labels.get(name, ""), (STRING,))
    return row


def _head(names: Sequence[str], heads: Mapping[str, str]) -> Struct:
    head = Struct({name: heads.get(name) or _spaced(name) for name in names})
    head["Label"] = Function(
        lambda name: name.rpartition(".")[2].replace("-", " ").replace("_", " "),
        (STRING,),
    )
    return head


def _spaced(name: str) -> str:
    """Write a field's name as a head: a space before each word."""
    pairs = zip(name, f"{name[1:]} ", strict=True)
    return "".join(f"{a} " if a.islower() and b.isupper() else a for a, b in pairs).upper()


def align(text: str) -> str:
    """Let what is between tabs stand below each other, as Go's ``tabwriter`` does: as far as lines have such cells."""
    lines = [line.split("\t") for line in text.split("\n")]
    for column in range(max(map(len, lines)) - 1):
        block: list[list[str]] = []
        for line in (*lines, []):
            if len(line) - 1 > column:
                block.append(line)
                continue
            width = max((len(cells[column]) + _GAP for cells in block), default=0)
            for cells in block:
                cells[column] = cells[column].ljust(max(width, _NARROWEST))
            block = []
    return "\n".join(map("".join, lines))
