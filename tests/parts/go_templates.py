"""Go's own templates, and the value that its program executes them on."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

from runtime.gotemplate.values import INT, STRING, Function, Map, Nil, Struct
from tests.parts.required import required


class _Inner(Struct):
    type_name = "main.inner"


class _Data(Struct):
    type_name = "main.data"


_NOTHING = Nil("ptr", "*main.inner")
EXAMPLE = _Data(
    {
        "Name": "web <1> & é",
        "Empty": "",
        "Count": 42,
        "Ratio": 2.5,
        "On": True,
        "Texts": ["a", "b c", "é"],
        "Numbers": [3, 1, 2],
        "None": Nil("slice", "[]string"),
        "Labels": Map({"one": "1", "a.b": "x<y"}),
        "NoMap": Nil("map", "map[string]string"),
        "Any": {"text": "t", "nil": None, "float": 1e6, "list": ["x", 1.5, True], "map": {"k": "v"}},
        "Inner": _Inner({"Text": "in", "Count": 7, "Next": _NOTHING}),
        "Nothing": _NOTHING,
        "Label": Function(lambda name: f"label {name}", (STRING,)),
        "Double": Function(lambda number: 2 * number, (INT,)),
    }
)


class Go:
    """Go's program, which is asked one question after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def execute(self, template: str, *, strict: bool = False) -> str:
        """Give what Go makes of a template, or its error behind ``error:``."""
        answer = self._ask({"Template": template, "Strict": strict})
        return f"error: {answer['Error']}" if answer["Error"] else str(answer["Output"])

    def align(self, table: str) -> str:
        """Give a table as Go aligns it."""
        return str(self._ask({"Table": table})["Output"])

    def _ask(self, question: dict[str, Any]) -> dict[str, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(question)}\n")
        self._process.stdin.flush()
        answer: dict[str, str] = json.loads(self._process.stdout.readline())
        return answer


@contextlib.contextmanager
def running_go() -> Iterator[Go]:
    """Go's program for the length of a `with`."""
    command = [required("gotemplate")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Go(process)
        assert process.stdin is not None
        process.stdin.close()
