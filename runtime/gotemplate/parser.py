"""The nodes of a template."""

from __future__ import annotations

from runtime.gotemplate import lexer, nodes
from runtime.gotemplate.errors import TemplateError
from runtime.gotemplate.lexer import Token
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Final, NoReturn

#: What an operand begins with.
_OPERANDS: Final = frozenset(
    {lexer.BOOL, lexer.CHARACTER, lexer.DOT, lexer.FIELD, lexer.IDENTIFIER, lexer.NUMBER, lexer.NIL, lexer.STRING}
    | {lexer.VARIABLE}
)
_CONSTANTS: Final = (nodes.Bool, nodes.Dot, nodes.NilWord, nodes.Number, nodes.String)


class Template(NamedTuple):
    """A template, with those that it defines: each name's nodes. Its own name is empty, as Docker has it."""

    text: str
    defined: dict[str, list[nodes.Node]]


def parse(text: str, functions: Container[str]) -> Template:
    """Read a template, in which these functions may be called. Raises TemplateError."""
    parser = _Parser(text, functions)
    try:
        return parser.parse()
    except RecursionError:
        raise TemplateError("template: :1: max expression depth exceeded") from None


class _End(nodes.Node):
    """``end`` or ``else``, by which a list ends."""

    def __init__(self, position: int, word: str) -> None:
        super().__init__(position)
        self.word = word

    def __str__(self) -> str:
        return f"{{{{{self.word}}}}}"


class _Parser:
    def __init__(self, text: str, functions: Container[str]) -> None:
        self._text = text
        self._functions = functions
        self._coming = lexer.tokens(text)
        self._read: list[Token] = []
        self._next = 0
        self._variables = ["$"]
        self._ranges = 0
        self._action_line = 0
        self._defined: dict[str, list[nodes.Node]] = {}

    # Tokens.

    def _take(self) -> Token:
        if self._next == len(self._read):
            # Behind the end, or what is no token, comes nothing.
            self._read.append(next(self._coming, self._read[-1] if self._read else Token(lexer.END, 0, "EOF", 1)))
        self._next += 1
        return self._read[self._next - 1]

    def _peek(self) -> Token:
        token = self._take()
        self._next -= 1
        return token

    def _take_word(self) -> Token:
        """Take the next token that is no space."""
        while (token := self._take()).kind == lexer.SPACE:
            pass
        return token

    def _peek_word(self) -> Token:
        token = self._take_word()
        self._next -= 1
        return token

    def _fail(self, text: str) -> NoReturn:
        line = self._read[-1].line if self._read else 1
        raise TemplateError(f"template: :{line}: {text}")

    def _unexpected(self, token: Token, context: str) -> NoReturn:
        if token.kind != lexer.ERROR:
            self._fail(f"unexpected {token} in {context}")
        more = ""
        if self._action_line not in (0, token.line):
            more = f" in action started at :{self._action_line}"
            if token.text.endswith(" action"):
                more = more.removeprefix(" in action")
        self._fail(f"{token}{more}")

    def _expect(self, kind: str, context: str) -> Token:
        token = self._take_word()
        if token.kind != kind:
            self._unexpected(token, context)
        return token

    # Lists of nodes.

    def parse(self) -> Template:
        """Read all of it."""
        found: list[nodes.Node] = []
        while (token := self._peek()).kind != lexer.END:
            if token.kind == lexer.LEFT and self._begins_definition():
                self._define()
                continue
            node = self._node()
            if isinstance(node, _End):
                self._fail(f"unexpected {node}")
            found.append(node)
        self._add("", found)
        return Template(self._text, self._defined)

    def _begins_definition(self) -> bool:
        """Tell whether a definition begins, and take its first words if one does."""
        before = self._next
        self._take()
        token = self._take_word()
        if token.kind == lexer.KEYWORD and token.text == "define":
            return True
        self._next = before
        return False

    def _define(self) -> None:
        name = self._unquoted(self._expect(lexer.STRING, "define clause"))
        self._expect(lexer.RIGHT, "define clause")
        self._add(name, self._apart("define clause"))

    def _apart(self, context: str) -> list[nodes.Node]:
        """Read what is another template, up to its end."""
        kept = self._variables, self._ranges
        self._variables, self._ranges = ["$"], 0
        found, end = self._list()
        if end.word != "end":
            self._fail(f"unexpected {end} in {context}")
        self._variables, self._ranges = kept
        return found

    def _add(self, name: str, found: list[nodes.Node]) -> None:
        if name not in self._defined or _is_empty(self._defined[name]):
            self._defined[name] = found
        elif not _is_empty(found):
            from runtime.gotemplate.quoting import quote  # noqa: PLC0415 - for errors alone

            self._fail(f"template: multiple definition of template {quote(name)}")

    def _list(self) -> tuple[list[nodes.Node], _End]:
        """Read up to ``end`` or ``else``."""
        found: list[nodes.Node] = []
        while True:
            if self._peek_word().kind == lexer.END:
                self._fail("unexpected EOF")
            node = self._node()
            if isinstance(node, _End):
                return found, node
            found.append(node)

    def _node(self) -> nodes.Node:
        token = self._take_word()
        if token.kind == lexer.TEXT:
            return nodes.Text(token.position, token.text)
        if token.kind != lexer.LEFT:
            self._unexpected(token, "input")
        self._action_line = token.line
        node = self._action()
        self._action_line = 0
        return node

    # Actions.

    def _action(self) -> nodes.Node:
        token = self._peek_word()
        if token.kind != lexer.KEYWORD:
            return nodes.Action(token.position, self._pipeline("command", lexer.RIGHT))
        self._take_word()
        if token.text in ("if", "with", "range"):
            return self._control(token.text)
        if token.text == "end":
            return _End(self._expect(lexer.RIGHT, "end").position, "end")
        if token.text == "else":
            return self._else()
        if token.text in ("break", "continue"):
            return self._leave(token)
        if token.text in ("template", "block"):
            return self._call(token.text)
        return self._unexpected(token, "command")

    def _leave(self, token: Token) -> nodes.Node:
        word = f"{{{{{token.text}}}}}"
        self._expect(lexer.RIGHT, word)
        if not self._ranges:
            self._fail(f"{word} outside {{{{range}}}}")
        return nodes.Leave(token.position, token.text)

    def _else(self) -> nodes.Node:
        token = self._peek_word()
        if token.kind == lexer.KEYWORD and token.text in ("if", "with"):
            return _End(token.position, "else")  # what follows is as if it stood in the list behind it
        return _End(self._expect(lexer.RIGHT, "else").position, "else")

    def _control(self, word: str) -> nodes.Node:
        variables = len(self._variables)
        pipeline = self._pipeline(word, lexer.RIGHT)
        self._ranges += word == "range"
        body, end = self._list()
        self._ranges -= word == "range"
        otherwise: list[nodes.Node] | None = None
        if end.word == "else":
            following = self._peek()
            if word in ("if", "with") and (following.kind, following.text) == (lexer.KEYWORD, word):
                self._take()
                otherwise = [self._control(word)]
            else:
                otherwise, end = self._list()
                if end.word != "end":
                    self._fail(f"expected end; found {end}")
        del self._variables[variables:]
        return nodes.Control(pipeline.position, word, pipeline, body, otherwise)

    def _call(self, word: str) -> nodes.Node:
        token = self._take_word()
        if token.kind != lexer.STRING:
            self._unexpected(token, f"{word} clause")
        name = self._unquoted(token)
        pipeline = None
        if word == "block" or self._peek_word().kind != lexer.RIGHT:
            pipeline = self._pipeline(f"{word} clause", lexer.RIGHT)
        else:
            self._take_word()
        if word == "block":
            self._add(name, self._apart("block clause"))
        return nodes.Call(token.position, name, token.text, pipeline)

    # Pipelines.

    def _pipeline(self, context: str, end: str) -> nodes.Pipeline:
        pipeline = nodes.Pipeline(self._peek_word().position)
        self._read_variables(pipeline, context)
        while True:
            token = self._take_word()
            if token.kind == end or (token.kind, token.text) == (lexer.OTHER, end):
                self._check(pipeline, context)
                return pipeline
            if token.kind not in _OPERANDS and token.text != "(":
                self._unexpected(token, context)
            self._next -= 1
            pipeline.commands.append(self._command())

    def _read_variables(self, pipeline: nodes.Pipeline, context: str) -> None:
        """Read what gets the value, if anything does."""
        while self._peek_word().kind == lexer.VARIABLE:
            before = self._next
            name = self._take_word().text
            sign = self._take_word()
            if sign.kind != lexer.OTHER or sign.text not in ("=", ":=", ","):
                self._next = before
                return
            pipeline.assigns = sign.text == "="
            pipeline.variables.append(name)
            self._variables.append(name)
            if sign.text != ",":
                return
            if context != "range" or len(pipeline.variables) > 1:
                self._fail(f"too many declarations in {context}")
            if self._peek_word().kind not in (lexer.VARIABLE, lexer.RIGHT):
                self._fail("range can only initialize variables")

    def _check(self, pipeline: nodes.Pipeline, context: str) -> None:
        if not pipeline.commands:
            self._fail(f"missing value for {context}")
        for stage, command in enumerate(pipeline.commands[1:], start=2):
            if isinstance(command.words[0], _CONSTANTS):
                self._fail(f"non executable command in pipeline stage {stage}")

    def _command(self) -> nodes.Command:
        command = nodes.Command(self._peek_word().position)
        while True:
            self._peek_word()
            operand = self._operand()
            if operand is not None:
                command.words.append(operand)
            token = self._take()
            if token.kind == lexer.SPACE:
                continue
            if token.kind == lexer.RIGHT or token.text == ")":
                self._next -= 1
            elif (token.kind, token.text) != (lexer.OTHER, "|"):
                self._unexpected(token, "operand")
            break
        if not command.words:
            self._fail("empty command")
        return command

    def _operand(self) -> nodes.Node | None:
        """Read a term and the fields of it; None if none comes."""
        term = self._term()
        first = self._peek()
        if term is None or first.kind != lexer.FIELD:
            return term
        names = []
        while self._peek().kind == lexer.FIELD:
            names.append(self._take().text[1:])
        if isinstance(term, nodes.Field):
            return nodes.Field(first.position, [*term.names, *names])
        if isinstance(term, nodes.Variable):
            return nodes.Variable(first.position, term.name, names)
        if isinstance(term, _CONSTANTS):
            from runtime.gotemplate.quoting import quote  # noqa: PLC0415 - for errors alone

            self._fail(f"unexpected . after term {quote(str(term))}")
        return nodes.Chain(first.position, term, names)

    def _term(self) -> nodes.Node | None:
        token = self._take_word()
        position, text = token.position, token.text
        if token.kind == lexer.IDENTIFIER:
            return self._function(token)
        if token.kind == lexer.DOT:
            return nodes.Dot(position)
        if token.kind == lexer.NIL:
            return nodes.NilWord(position)
        if token.kind == lexer.VARIABLE:
            return self._variable(token)
        if token.kind == lexer.FIELD:
            return nodes.Field(position, [text[1:]])
        if token.kind == lexer.BOOL:
            return nodes.Bool(position, value=text == "true")
        if token.kind in (lexer.NUMBER, lexer.CHARACTER):
            return self._number(token)
        if token.kind == lexer.STRING:
            return nodes.String(position, text, self._unquoted(token))
        if (token.kind, text) == (lexer.OTHER, "("):
            return self._pipeline("parenthesized pipeline", ")")
        self._next -= 1
        return None

    def _function(self, token: Token) -> nodes.Node:
        if token.text not in self._functions:
            from runtime.gotemplate.quoting import quote  # noqa: PLC0415 - for errors alone

            self._fail(f"function {quote(token.text)} not defined")
        return nodes.Identifier(token.position, token.text)

    def _variable(self, token: Token) -> nodes.Node:
        if token.text not in self._variables:
            from runtime.gotemplate.quoting import quote  # noqa: PLC0415 - for errors alone

            self._fail(f"undefined variable {quote(token.text)}")
        return nodes.Variable(token.position, token.text, [])

    def _number(self, token: Token) -> nodes.Node:
        from runtime.gotemplate.numbers import read_number  # noqa: PLC0415 - few templates have any

        try:
            whole, value = read_number(token.text)
        except ValueError as error:
            self._fail(str(error))
        return nodes.Number(token.position, token.text, whole, value)

    def _unquoted(self, token: Token) -> str:
        from runtime.gotemplate.quoting import unquote  # noqa: PLC0415 - as above

        try:
            return unquote(token.text)
        except (ValueError, IndexError):
            self._fail("invalid syntax")


def _is_empty(found: list[nodes.Node]) -> bool:
    return all(isinstance(node, nodes.Text) and not node.text.strip() for node in found)
