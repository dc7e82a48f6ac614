"""Executing a template on a value."""

from __future__ import annotations

from runtime.gotemplate import nodes, values
from runtime.gotemplate.errors import TemplateError
from runtime.gotemplate.values import Function, Nil, Struct, is_true, kind_of, type_of
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Final, NoReturn

    from runtime.gotemplate.parser import Template

#: In the place of the value that comes from the command before, where there is none.
_MISSING: Final = object()


class CallError(Exception):
    """A function cannot do with its arguments what it is for; the text says why."""


def execute(template: Template, data: Any, functions: Mapping[str, Function], *, strict: bool = False) -> str:
    """Give what a template makes of a value. Raises TemplateError.

    With ``strict`` it is an error if a map lacks a key, which is no value otherwise.
    """
    execution = _Execution(template, functions, strict=strict)
    try:
        execution.run("", data)
    except RecursionError:
        raise TemplateError("template: : exceeded maximum template depth") from None
    return "".join(execution.printed)


class _Given(NamedTuple):
    """What a function or a method is given: words, which are evaluated with ``dot``, and what came before.

    ``node`` is what errors of the call show.
    """

    node: nodes.Node
    dot: Any
    words: Sequence[nodes.Node] = ()
    last: Any = _MISSING

    def __bool__(self) -> bool:
        """Whether it is given anything."""
        return bool(self.words) or self.last is not _MISSING


class _LeaveError(Exception):
    """``break`` or ``continue``."""


class _Execution:
    def __init__(self, template: Template, functions: Mapping[str, Function], *, strict: bool) -> None:
        self.printed: list[str] = []
        self._template = template
        self._functions = functions
        self._strict = strict
        self._name = ""
        self._node: nodes.Node | None = None
        self._variables: list[list[Any]] = []

    def run(self, name: str, data: Any) -> None:
        """Execute one of the templates, which has variables of its own."""
        kept = self._name, self._variables
        self._name, self._variables = name, [["$", data]]
        self._walk_all(data, self._template.defined[name])
        self._name, self._variables = kept

    def _fail(self, text: str) -> NoReturn:
        from runtime.gotemplate.quoting import quote, to_bytes  # noqa: PLC0415 - for errors alone

        if self._node is None:
            raise TemplateError(f"template: {self._name}: {text}")
        before = self._template.text[: self._node.position]
        column = len(to_bytes(before[before.rfind("\n") + 1 :]))
        place = f":{before.count(chr(10)) + 1}:{column}"
        raise TemplateError(f"template: {place}: executing {quote(self._name)} at <{self._node}>: {text}")

    # Nodes.

    def _walk_all(self, dot: Any, found: Sequence[nodes.Node]) -> None:
        for node in found:
            self._walk(dot, node)

    def _walk(self, dot: Any, node: nodes.Node) -> None:
        if isinstance(node, nodes.Text):
            self.printed.append(node.text)
        elif isinstance(node, nodes.Action):
            value = self._pipeline(dot, node.pipeline)
            if not node.pipeline.variables:
                self._node = node
                self.printed.append(self._show(value))
        elif isinstance(node, nodes.Leave):
            raise _LeaveError(node.word)
        elif isinstance(node, nodes.Call):
            self._call_template(dot, node)
        elif isinstance(node, nodes.Control):
            kept = len(self._variables)
            (self._range if node.word == "range" else self._choose)(dot, node)
            del self._variables[kept:]

    def _choose(self, dot: Any, node: nodes.Control) -> None:
        """Execute what is below ``if`` or ``with``, or its ``else``."""
        value = self._pipeline(dot, node.pipeline)
        if is_true(value):
            self._walk_all(value if node.word == "with" else dot, node.body)
        else:
            self._walk_all(dot, node.otherwise or ())

    def _show(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        if value is None:
            return "<no value>"
        if isinstance(value, Function):
            self._fail(f"can't print {self._node} of type {type_of(value)}")
        from runtime.gotemplate.printing import show  # noqa: PLC0415 - most print texts

        return show(value)

    def _call_template(self, dot: Any, node: nodes.Call) -> None:
        self._node = node
        if node.name not in self._template.defined:
            from runtime.gotemplate.quoting import quote  # noqa: PLC0415 - for errors alone

            self._fail(f"template {quote(node.name)} not defined")
        self.run(node.name, None if node.pipeline is None else self._pipeline(dot, node.pipeline))

    def _range(self, dot: Any, node: nodes.Control) -> None:
        value, names = self._pipeline(dot, node.pipeline), node.pipeline.variables
        kind = kind_of(value)
        if kind in ("int", "uint8") and len(names) > 1:
            self._fail(f"can't use {value} to iterate over more than one variable")
        if kind not in ("invalid", "int", "uint8", "map", "slice"):
            self._fail(f"range can't iterate over {self._show(value)}")
        kept, empty = len(self._variables), True
        for index, item in _items(value):
            empty = False
            given = [index, item] if len(names) > 1 else [item]
            for place, (name, each) in enumerate(zip(names, given, strict=False)):
                if node.pipeline.assigns:
                    self._assign(name, each)
                else:
                    self._variables[kept - len(names) + place][1] = each
            try:
                self._walk_all(item, node.body)
            except _LeaveError as leaving:
                if str(leaving) == "break":
                    break
            finally:
                del self._variables[kept:]
        if empty:
            self._walk_all(dot, node.otherwise or ())

    # Variables.

    def _assign(self, name: str, value: Any) -> None:
        for variable in reversed(self._variables):
            if variable[0] == name:
                variable[1] = value
                return
        self._fail(f"undefined variable: {name}")

    def _value_of(self, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        return self._fail(f"undefined variable: {name}")

    # Pipelines.

    def _pipeline(self, dot: Any, pipeline: nodes.Pipeline) -> Any:
        self._node = pipeline
        value: Any = _MISSING
        for command in pipeline.commands:
            value = self._command(dot, command, value)
        for name in pipeline.variables:
            if pipeline.assigns:
                self._assign(name, value)
            else:
                self._variables.append([name, value])
        return value

    def _command(self, dot: Any, command: nodes.Command, last: Any) -> Any:
        first, words = command.words[0], command.words[1:]
        if isinstance(first, nodes.Identifier):
            self._node = first
            return self._call(self._functions[first.name], first.name, _Given(command, dot, words, last))
        given = _Given(first, dot, words, last)
        if isinstance(first, (nodes.Field, nodes.Chain, nodes.Variable)):
            return self._reached(first, given)
        if not isinstance(first, nodes.Pipeline):
            self._node = first
        if given:
            self._fail(f"can't give argument to non-function {first}")
        if isinstance(first, nodes.NilWord):
            self._fail("nil is not a command")
        return self._operand(dot, first)

    def _operand(self, dot: Any, node: nodes.Node) -> Any:
        """Give the value of a word where nothing says of which type it is to be."""
        if isinstance(node, nodes.Pipeline):
            return self._pipeline(dot, node)
        if isinstance(node, (nodes.Field, nodes.Chain, nodes.Variable)):
            return self._reached(node, _Given(node, dot))
        self._node = node
        if isinstance(node, nodes.Identifier):
            return self._call(self._functions[node.name], node.name, _Given(node, dot))
        if isinstance(node, nodes.Number):
            if isinstance(node.value, int) and node.value >= 2**63:
                self._fail(f"{node.text} overflows int")
            return node.value
        if isinstance(node, nodes.Bool):
            return node.value
        return node.text if isinstance(node, nodes.String) else dot

    # Fields and methods.

    def _reached(self, node: nodes.Field | nodes.Chain | nodes.Variable, given: _Given) -> Any:
        """Give what the names of a node lead to; the last may be a method, which has the arguments."""
        self._node = node
        value = given.dot
        if isinstance(node, nodes.Variable):
            value = self._value_of(node.name)
            if not node.names and given:
                self._fail(f"can't give argument to non-function {node}")
        elif isinstance(node, nodes.Chain):
            if isinstance(node.inner, nodes.NilWord):
                self._fail(f"indirection through explicit nil in {node}")
            value = self._operand(given.dot, node.inner)
        shown_type = type_of(value)
        for place, name in enumerate(node.names, start=1):
            found = self._field(value, name, given if place == len(node.names) else _Given(node, given.dot), shown_type)
            shown_type = values.ANY if type(value) is dict else type_of(found)
            value = found
        return value

    def _field(self, value: Any, name: str, given: _Given, shown_type: str) -> Any:
        if value is None:
            if self._strict:
                self._fail(f'nil data; no entry for key "{name}"')
            return None
        if isinstance(value, Struct):
            if name in value:
                return self._member(value[name], name, given)
            if name in value.zeros and not given:
                return value.zeros[name]
        elif kind_of(value) == "map":
            return self._entry(value, name, given)
        elif kind_of(value) == "ptr":
            self._fail(f"nil pointer evaluating {shown_type}.{name}")
        return self._fail(f"can't evaluate field {name} in type {shown_type}")

    def _member(self, found: Any, name: str, given: _Given) -> Any:
        """Give a field of a record, or what a method of it gives."""
        if isinstance(found, Function):
            return self._call(found, name, given)
        if given:
            self._fail(f"{name} has arguments but cannot be invoked as function")
        return found

    def _entry(self, value: Any, name: str, given: _Given) -> Any:
        """Give what a map has for a key."""
        if given:
            self._fail(f"{name} is not a method but has arguments")
        if isinstance(value, dict) and name in value:
            return value[name]
        if self._strict:
            self._fail(f'map has no entry for key "{name}"')
        return None

    # Calls.

    def _call(self, function: Function, name: str, given: _Given) -> Any:
        self._count(function, name, given)
        if function is self._functions["and"] or function is self._functions["or"]:
            return self._either(name, given)
        types = iter(function.parameters)
        arguments = [self._argument(given.dot, next(types, function.rest), word) for word in given.words]
        if given.last is not _MISSING:
            arguments.append(self._checked(given.last, next(types, function.rest)))
        try:
            return function.call(*arguments)
        except CallError as error:
            self._node = given.node
            self._fail(f"error calling {name}: {error}")

    def _count(self, function: Function, name: str, given: _Given) -> None:
        wanted, written = len(function.parameters), len(given.words)
        count = written + (given.last is not _MISSING)
        if function.rest and count < wanted:
            self._fail(f"wrong number of args for {name}: want at least {wanted} got {written}")
        if not function.rest and count != wanted:
            self._fail(f"wrong number of args for {name}: want {wanted} got {count}")

    def _either(self, name: str, given: _Given) -> Any:
        """Evaluate ``and`` and ``or`` as far as it takes."""
        value: Any = None
        for word in given.words:
            value = self._argument(given.dot, values.VALUE, word)
            if is_true(value) == (name == "or"):
                return value
        return value if given.last is _MISSING else given.last

    def _argument(self, dot: Any, wanted: str, node: nodes.Node) -> Any:
        """Give an argument of a type. A constant is read as what is wanted."""
        self._node = node
        if isinstance(node, nodes.NilWord):
            if wanted in (values.STRING, values.INT):
                self._fail(f"cannot assign nil to {wanted}")
            return None
        if isinstance(node, (nodes.Bool, nodes.Number, nodes.String)):
            return self._constant(wanted, node)
        return self._checked(self._operand(dot, node), wanted)

    def _constant(self, wanted: str, node: nodes.Bool | nodes.Number | nodes.String) -> Any:
        if wanted == values.INT:
            if not isinstance(node, nodes.Number) or node.whole is None or node.whole >= 2**63:
                self._fail(f"expected integer; found {node}")
            return node.whole
        if wanted == values.STRING and not isinstance(node, nodes.String):
            self._fail(f"expected string; found {node}")
        if wanted == values.STRINGS:
            self._fail(f"can't handle {node} for arg of type {wanted}")
        return self._operand(None, node)

    def _checked(self, value: Any, wanted: str) -> Any:
        """Give a value that is of the type that is wanted."""
        if wanted in (values.ANY, values.VALUE):
            return value
        if wanted == values.STRINGS and (value in (None, []) or (kind_of(value) == "slice" and isinstance(value, Nil))):
            return []
        if value is None:
            self._fail(f"invalid value; expected {wanted}")
        if type_of(value) != wanted:
            self._fail(f"wrong type for value; expected {wanted}; got {type_of(value)}")
        return value


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give what a range iterates over, with its index or key."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield key, value[key]
    elif isinstance(value, list):
        yield from enumerate(value)
    elif isinstance(value, int):
        for number in range(value):
            yield None, type(value)(number)
