"""Rows for people and for programs."""

from __future__ import annotations

import sys

from runtime.cli.options import Option
from runtime.errors import Fault, UsageError
from runtime.lean import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Final

FORMAT: Final = Option(
    "--format", "json, table, a Go template ('{{.NAME}}', 'table {{.NAME}}'), or NAME[,NAME...]", "FORMAT"
)
DOCUMENT_FORMAT: Final = Option("--format", "json, a Go template ('{{.NAME}}'), or NAME[,NAME.NAME...]", "FORMAT", "-f")
_NARROWEST: Final = 10


def print_records(
    records: Sequence[dict[str, Any]], names: Sequence[str], columns: Mapping[str, str], wanted: str | None
) -> None:
    """Print records as ``--format`` says: as a table of the columns, whose heads are given, or by lines.

    Each is a line of JSON, of what a template makes of it, or of the fields that ``wanted`` names of ``names``. Its
    labels, for templates, are ``Label``. Raises UsageError, and Fault for a template.
    """
    if wanted is None or wanted == "table":
        _print_table(tuple(columns.values()), [[record[name] for name in columns] for record in records])
        return
    if wanted == "json":
        ordered = sorted(names)
        lines = (to_json({name: record[name] for name in ordered}, as_is=True) for record in records)
        sys.stdout.writelines(f"{_escape(line)}\n" for line in lines)
        return
    if "{{" in wanted:
        from runtime.cli.templates import render_rows  # noqa: PLC0415 - takes a while, and most need none

        _write(render_rows(records, names, columns, wanted))
        return
    fields = [field.strip() for field in wanted.split(",")]
    for field in fields:
        if field not in names:
            raise UsageError(f"--format {wanted}: there is no field {field!r}, but {', '.join(names)}")
    sys.stdout.writelines("\t".join(record[field] or "" for field in fields) + "\n" for record in records)


def wants(form: str | None, name: str) -> bool:
    """Tell whether a field may be printed that costs something to find out."""
    return form is not None and (name in form or "json" in form or "{{.}}" in form)


def _escape(text: str) -> str:
    """Write JSON as Docker has it in lists: so that a page shows it as it is."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _write(text: str) -> None:
    """Print what a template made; what is no text is replaced."""
    sys.stdout.write(text if text.isascii() else text.encode(errors="replace").decode())


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns that are as wide as Docker's."""
    widths = [max(_NARROWEST, *(len(row[n]) + 3 for row in (head, *rows))) for n in range(len(head) - 1)]
    for row in (head, *rows):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        sys.stdout.write(f"{''.join(cells)}{row[-1]}\n")


def print_found(find: Callable[[str], dict[str, Any]], words: Sequence[str], wanted: str | None) -> int:
    """Print what is found for each word, as one JSON list or as ``wanted`` says; complain about what is not found.

    Give the exit status. Raises UsageError.
    """
    found, status = [], 0
    for word in words:
        try:
            found.append(find(word))
        except (Fault, FileNotFoundError) as fault:
            sys.stderr.write(f"preg: {fault}\n")
            status = 1
    if wanted is None:
        sys.stdout.write(f"{indented(found)}\n")
    elif wanted == "json":
        sys.stdout.write(f"{to_json(found, as_is=True)}\n")
    else:
        _write("".join(f"{text}\n" for text in _selected(found, wanted)))
    return status


def indented(value: Any, margin: str = "") -> str:
    """Write as JSON with a line for each part, as Docker does; loading the json module takes too long."""
    inner = f"{margin}    "
    if isinstance(value, dict):
        parts = [f"{to_json(name, as_is=True)}: {indented(part, inner)}" for name, part in value.items()]
    elif isinstance(value, list):
        parts = [indented(part, inner) for part in value]
    else:
        return to_json(value, as_is=True)
    first, last = "{}" if isinstance(value, dict) else "[]"
    between = f",\n{inner}"
    return f"{first}\n{inner}{between.join(parts)}\n{margin}{last}" if parts else f"{first}{last}"


def _selected(documents: Sequence[dict[str, Any]], wanted: str) -> list[str]:
    if "{{" not in wanted:
        return [select(document, wanted) for document in documents]
    from runtime.cli.templates import read_template, render  # noqa: PLC0415 - as above

    template = read_template(wanted)
    return [render(template, document) for document in documents]


def print_document(document: dict[str, Any], wanted: str, *, kind: str) -> None:
    """Print of one thing what ``wanted`` says; errors call it ``kind``. Raises UsageError, and Fault for a template."""
    if "{{" not in wanted:
        sys.stdout.write(f"{select(document, wanted)}\n")
        return
    from runtime.cli.templates import read_template, render_record  # noqa: PLC0415 - as above

    _write(f"{render_record(read_template(wanted), document, kind)}\n")


def select(document: dict[str, Any], wanted: str) -> str:
    """Give all as JSON, or the fields that are named, each by the names on the way to it with dots between.

    Raises UsageError.
    """
    if wanted == "json":
        return to_json(document, as_is=True)
    cells = []
    for path in wanted.split(","):
        value: Any = document
        for name in path.strip().removeprefix(".").split("."):
            if not isinstance(value, dict) or name not in value:
                cells.append(_absent(document, path.strip(), wanted))
                break
            value = value[name]
        else:
            cells.append(value if isinstance(value, str) else to_json(value, as_is=True))
    return "\t".join(cells)


def _absent(document: dict[str, Any], path: str, wanted: str) -> str:
    """Give null for a field that Docker leaves out while it is empty. Raises UsageError for one that there is not."""
    import shlex  # noqa: PLC0415 - only for what is not there, as is the other one

    from runtime.cli.templates import read_template, render  # noqa: PLC0415

    try:
        return render(read_template("{{json ." + path.removeprefix(".") + "}}"), document)
    except Fault as fault:
        raise UsageError(f"--format {shlex.quote(wanted)}: there is no field {path!r}") from fault
