"""What a template consists of. ``str`` of a node is how errors show it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Node:
    """A part of a template; ``position`` is where it begins."""

    def __init__(self, position: int) -> None:
        self.position = position


class Text(Node):
    """What is printed as it is."""

    def __init__(self, position: int, text: str) -> None:
        super().__init__(position)
        self.text = text


class Dot(Node):
    """``.``."""

    def __str__(self) -> str:
        return "."


class NilWord(Node):
    """``nil``."""

    def __str__(self) -> str:
        return "nil"


class Bool(Node):
    """``true`` or ``false``."""

    def __init__(self, position: int, *, value: bool) -> None:
        super().__init__(position)
        self.value = value

    def __str__(self) -> str:
        return "true" if self.value else "false"


class String(Node):
    """A text in quotes."""

    def __init__(self, position: int, quoted: str, text: str) -> None:
        super().__init__(position)
        self.quoted = quoted
        self.text = text

    def __str__(self) -> str:
        return self.quoted


class Number(Node):
    """A number or a character: what it is as a whole one, None if it is none, and where no type is asked for."""

    def __init__(self, position: int, text: str, whole: int | None, value: float) -> None:
        super().__init__(position)
        self.text = text
        self.whole = whole
        self.value = value

    def __str__(self) -> str:
        return self.text


class Identifier(Node):
    """The name of a function."""

    def __init__(self, position: int, name: str) -> None:
        super().__init__(position)
        self.name = name

    def __str__(self) -> str:
        return self.name


class Field(Node):
    """``.A.B``."""

    def __init__(self, position: int, names: Sequence[str]) -> None:
        super().__init__(position)
        self.names = names

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


class Variable(Node):
    """``$a.B.C``."""

    def __init__(self, position: int, name: str, names: Sequence[str]) -> None:
        super().__init__(position)
        self.name = name
        self.names = names

    def __str__(self) -> str:
        return ".".join((self.name, *self.names))


class Chain(Node):
    """``(pipeline).A.B``, and fields of what a function gives."""

    def __init__(self, position: int, inner: Node, names: Sequence[str]) -> None:
        super().__init__(position)
        self.inner = inner
        self.names = names

    def __str__(self) -> str:
        return f"{_argument(self.inner)}{''.join(f'.{name}' for name in self.names)}"


class Command(Node):
    """Words: a function or a method and its arguments, or one value."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.words: list[Node] = []

    def __str__(self) -> str:
        return " ".join(map(_argument, self.words))


class Pipeline(Node):
    """Commands, each of which has what the one before it gives as its last argument; and what variables get that."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.commands: list[Command] = []
        self.variables: list[str] = []
        self.assigns = False

    def __str__(self) -> str:
        commands = " | ".join(map(str, self.commands))
        sign = "=" if self.assigns else ":="
        return f"{', '.join(self.variables)} {sign} {commands}" if self.variables else commands


class Action(Node):
    """A pipeline whose value is printed, unless a variable gets it."""

    def __init__(self, position: int, pipeline: Pipeline) -> None:
        super().__init__(position)
        self.pipeline = pipeline

    def __str__(self) -> str:
        return f"{{{{{self.pipeline}}}}}"


class Control(Node):
    """``if``, ``with`` or ``range``."""

    def __init__(
        self, position: int, word: str, pipeline: Pipeline, body: list[Node], otherwise: list[Node] | None
    ) -> None:
        super().__init__(position)
        self.word = word
        self.pipeline = pipeline
        self.body = body
        self.otherwise = otherwise


class Leave(Node):
    """``break`` or ``continue``."""

    def __init__(self, position: int, word: str) -> None:
        super().__init__(position)
        self.word = word


class Call(Node):
    """Another template, executed on the value of a pipeline."""

    def __init__(self, position: int, name: str, quoted: str, pipeline: Pipeline | None) -> None:
        super().__init__(position)
        self.name = name
        self.quoted = quoted
        self.pipeline = pipeline

    def __str__(self) -> str:
        pipeline = "" if self.pipeline is None else f" {self.pipeline}"
        return f"{{{{template {self.quoted}{pipeline}}}}}"


def _argument(node: Node) -> str:
    return f"({node})" if isinstance(node, Pipeline) else str(node)
