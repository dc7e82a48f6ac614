"""Rows for people and for programs."""

import json
import sys
from collections.abc import Sequence
from typing import Final

from runtime.cli.options import Option
from runtime.errors import UsageError

FORMAT: Final = Option("--format", "table, json, or the fields to print with tabs between: NAME[,NAME...]", "FORMAT")
_NARROWEST: Final = 10


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns that are as wide as Docker's."""
    widths = [max(_NARROWEST, *(len(row[n]) + 3 for row in (head, *rows))) for n in range(len(head) - 1)]
    for row in (head, *rows):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        sys.stdout.write(f"{''.join(cells)}{row[-1]}\n")


def write_records(records: Sequence[dict[str, str]], names: Sequence[str], wanted: str) -> None:
    """Print each record as a line of JSON, or the fields that ``wanted`` names. Raises UsageError."""
    if wanted == "json":
        sys.stdout.writelines(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
        return
    fields = [field.strip() for field in wanted.split(",")]
    for field in fields:
        if field not in names:
            raise UsageError(f"--format {wanted}: there is no field {field!r}, but {', '.join(names)}")
    sys.stdout.writelines("\t".join(record[field] for field in fields) + "\n" for record in records)
