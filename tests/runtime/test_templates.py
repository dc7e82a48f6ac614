"""Go templates: what Go's own program and docker make of them, preg makes of them."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.cli.table import indented
from runtime.cli.templates import FUNCTIONS, align
from runtime.gotemplate.errors import TemplateError
from runtime.gotemplate.execution import execute
from runtime.gotemplate.numbers import show_float
from runtime.gotemplate.parser import parse
from tests.parts.go_templates import EXAMPLE, Go, running_go
from tests.runtime.conftest import Preg

TEMPLATES = r"""
{{.Name}}
{{json .Labels}} {{json .Any}} {{json .None}} {{json .NoMap}} {{json .Nothing}} {{json .Inner}} {{json .Name}}
{{.}}
{{.Labels}} {{.Any}} {{.None}} {{.NoMap}} {{.Nothing}} {{.Inner}} {{.Texts}}
{{range .Texts}}{{.}},{{end}}
{{range $i, $e := .Texts}}{{$i}}={{$e}};{{else}}none{{end}}
{{range $k, $v := .Labels}}{{$k}}:{{$v}} {{end}}
{{range .None}}x{{else}}empty{{end}}
{{range 3}}{{.}}{{end}}
{{range .Count}}{{if gt . 3}}{{break}}{{end}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}}
{{with .Inner}}{{.Text}}{{end}}{{with .Nothing}}a{{else}}b{{end}}{{with .Empty}}a{{else with .Name}}{{.}}{{end}}
{{if and .On .Count}}yes{{end}}{{if or .Empty .Nothing}}x{{else if not .Empty}}y{{end}}
{{len .Texts}} {{len .Labels}} {{len .Name}} {{len .None}} {{len .Nothing}}
{{len .Count}}
{{index .Texts 1}} {{index .Labels "one"}} {{index .Labels "zz"}}| {{index .Any "zz"}} {{index .Any "list" 0}}
{{index .Texts 9}}
{{index .Texts 3}}
{{index .Texts "a"}}
{{index .Labels 1}}
{{index .Name 0}} {{slice .Name 0 3}} {{slice .Texts 1}} {{slice .Name 2}}
{{slice .Name 3 1}}
{{printf "%s %d %q %v %x %T %5d|%-5d|%05d %t %+d" .Name .Count .Name .Texts .Name .Labels .Count .Count .Count .On 1}}
{{printf "%d %s %!" .Name .Count}}
{{printf "%d"}} {{printf "%d" 1 2}} {{printf "%z" 1}} {{printf "%" 1}}
{{printf "%v %v %v %+v %#v" .Nothing .None .NoMap .Inner .Labels}}
{{printf "%.2f %8.3f %e %g %v" .Ratio .Ratio .Ratio .Ratio .Any.float}}
{{print 1 2 "a" 3 4}} {{println 1 "a"}} {{print nil}} {{println}}
{{.Foo}}
{{.Inner.Foo}}
{{.Nothing.Text}}
{{.Inner.Next.Text}}
{{.Labels.one}} {{.Labels.zz}} {{.Any.zz}} {{.Any.zz.yy}} {{.Any.map.k}} {{.NoMap.x}}
{{.Name.Foo}}
{{.Label "x"}} {{.Double 4}} {{"y" | .Label}}
{{.Label}}
{{.Label 1}}
{{.Double "x"}}
{{.Double 1.5}}
{{.Name "x"}}
{{.Labels.one "x"}}
{{upper .Name | lower | title}} {{join .Texts "/"}} {{split .Name " "}} {{pad .Name 1 2}}| {{truncate .Name 3}}
{{join .Numbers ","}}
{{join .Name ","}}
{{join .None ","}}|
{{upper .Count}}
{{eq .Count 42}} {{eq .Name "x" "y"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt "a" "b"}} {{ge 1.5 1.0}}
{{eq .Count "x"}}
{{eq .Count 4.0}}
{{lt .On true}}
{{eq .Texts .Texts}}
{{eq .Nothing nil}} {{eq .None nil}}
{{html "<a&\"'>"}} {{js "'<a>\n"}} {{urlquery "a b&é"}} {{html .Any.zz 1 "a"}}
{{$x := .Name}}{{$x}}{{$x = "b"}}{{$x}}{{if true}}{{$x = "c"}}{{$y := 1}}{{end}}{{$x}}
{{$x}}
{{/* comment */}}a {{- /* c */ -}} b
a {{- .Count -}} b {{ .Count -}}   c
{{define "t"}}<{{.}}>{{end}}{{template "t" .Count}}{{template "nothing"}}
{{block "b" .Name}}[{{.}}]{{end}}
{{foo}}
{{
{{.Name
{{.Name}
{{"a}}
{{`a`}}{{'a'}}{{1.5}}{{1e3}}{{0x1F}}{{0b11}}{{0o17}}{{017}}{{1_000}}{{true}}{{-5}}
{{nil}}
{{nil | print}}
{{if}}a{{end}}
{{if .On}}
{{end}}
{{else}}
{{range}}{{end}}
{{break}}
{{(.Inner).Text}} {{(index .Texts 0)}} {{(print 1).x}}
{{.Name | 5}}
{{5 | print}} {{.Name | printf "%s-%s" "a"}}
{{1 2}}
{{.Name .Count}}
{{print (}}
{{print )}}
{{.Name | }}
{{ | print}}
{{99999999999999999999}}
{{9223372036854775808}}
{{09}}
{{1x}}
{{.a-b}}
{{.é}}
{{print @}}
{{print é}}
{{print ☺}}
{{printf "%s" nil}} {{printf "%v" nil}} {{printf "%d" nil}}
{{printf "%6.2f|%-8s|%8s|%x|%X|%o|%b|%c|%U|%#x|% d|%08.3f" 3.14159 "ab" "cd" 255 255 8 5 65 65 255 5 -3.14159}}
{{printf "%[2]d %[1]d" 1 2}} {{printf "%*d" 5 1}} {{printf "%[3]d" 1}}
{{range .Name}}x{{end}}
{{range .Inner}}x{{end}}
{{range $i, $j := 5}}x{{end}}
{{range .Nothing}}x{{else}}y{{end}}
{{template "x"}}
{{and}}
{{not}}
{{and 1 0 2}} {{or 0 "" 3}} {{and true}} {{0 | or 0}}
{{len nil}}
{{index nil 1}}
{{slice nil}}
{{index .Nothing 1}}
{{with $x := .Count}}{{$x}}{{end}}
{{range $x := .Texts}}{{$x}}{{end}}
{{"é" | printf "%q %+q %x %X"}}
{{printf "%q" "é\n\x00\u200b"}} {{printf "%+q" "é"}} {{printf "%q" 65}}
{{.Any.float}} {{.Any.list}} {{1e21}} {{1e20}} {{0.000001}} {{0.0001}} {{0.00001}}
{{- -}}
{{ - }}
{{if .On}}a{{else}}b{{else}}c{{end}}
{{if .On}}a{{else if}}b{{end}}
{{true.x}}
{{$.Name}} {{$.Inner.Text}} {{$.Foo}}
{{define "x"}}a{{end}}{{define "x"}}b{{end}}
{{define x}}a{{end}}
{{if true}}{{define "x"}}{{end}}{{end}}
{{template x}}
{{template "a" 1 2}}
{{printf}}
{{printf 1}}
{{json}}
{{json 1 2}}
{{truncate "héllo" 2 | printf "%q"}} {{pad "" 1 1}} {{truncate "a" -1}}
{{pad "a" -1 0}}
{{title "hello world_x 9a é-é"}}
{{split "a,b" ","}} {{split "abc" ""}} {{range split "a b" " "}}[{{.}}]{{end}}
{{printf "%v" 1.0}} {{printf "%5t|%-7t|" true false}} {{printf "% x %s %d %q" "hello" .Texts .Numbers .Texts}}
{{printf "%T %T %T %T %T %T" 1 "a" true 1.5 nil .Texts}}
{{printf "%t" 1}} {{printf "%s" true}} {{printf "%d" true}} {{printf "%#v %#v" "a" 1.0}}
{{printf "%3c|%-3c|%q" 65 66 'x'}} {{printf "%10.3v|%-10v|" "abcdef" "abc"}}
{{printf "%+v %s" .Any .Inner}} {{printf "%d" .Inner.Text}}
{{print .Any.nil}} {{.Any.nil}} {{json .Any.nil}} {{if .Any.nil}}x{{end}}
{{.Any.text.foo}}
{{.Any.list.foo}}
{{index .Any "map" "k"}} {{index .Any "map" "z"}} {{index .Labels nil}}
{{index .Any "nil" "k"}}
{{index .Count 1}}
{{eq .Any.text "t"}} {{eq .Any.float 1e6}} {{eq .Any.nil nil}} {{eq nil nil}} {{eq .Any.nil 1}} {{ne .Any.zz "a"}}
{{lt .Any.zz 1}}
{{range $k, $v := .Any}}{{$k}}={{$v}};{{end}}
{{.Texts.foo}}
{{.On.foo}}
""".strip("\n").split("\n")
"""Each is a way to use the language, or to get it wrong."""


@pytest.fixture(scope="module")
def go() -> Iterator[Go]:
    with running_go() as program:
        yield program


def made_of(template: str, *, strict: bool = False) -> str:
    """What preg makes of a template, or its error behind ``error:``."""
    try:
        made = execute(parse(template, FUNCTIONS), EXAMPLE, FUNCTIONS, strict=strict)
    except TemplateError as error:
        made = f"error: {error}"
    # A byte that is no text reaches us as a replacement from Go, whose answers are JSON.
    return "".join("\N{REPLACEMENT CHARACTER}" if "\udc80" <= letter <= "\udcff" else letter for letter in made)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_gives_what_it_gives_with_go(template: str, go: Go) -> None:
    assert made_of(template) == go.execute(template)
    assert made_of(template, strict=True) == go.execute(template, strict=True)


def test_errors_name_the_line_of_a_template_that_has_more(go: Go) -> None:
    for template in (
        "a\n{{.Name}}\n  {{.Foo}}",
        "\n\n{{foo}}",
        "{{if .On}}\n\n{{.Name",
        "{{print\n(1}}",
        "é\né{{.Foo}}",
    ):
        assert made_of(template) == go.execute(template)


#: Operands of every type. What is below an untyped value is left out, for errors name its type in too many ways.
OPERANDS = """
.Name; .Count; .Ratio; .On; .Texts; .Numbers; .None; .Labels; .Inner.Text; .Labels.one; .Empty; .Foo; $; $.Name;
"a"; `r`; 1; -2; 1.5; true; 'c'; 0x1f; "é"; (len .Texts); (print 1 2)
"""
FUNCTION_NAMES = """
len; index .Texts; index .Labels; slice; printf; print; println; json; join; split; title; upper; lower; pad; truncate;
eq; ne; lt; le; gt; ge; and; or; not; html; js; urlquery; .Label; .Double
"""
OPERAND = st.sampled_from([word.strip() for word in OPERANDS.split(";")])
CALL = st.sampled_from(["", *(word.strip() for word in FUNCTION_NAMES.split(";"))])
COMMANDS = st.tuples(CALL, st.lists(OPERAND, max_size=2)).map(lambda parts: " ".join((parts[0], *parts[1])))
PIPELINES = st.lists(COMMANDS, min_size=1, max_size=2).map(" | ".join)
VERBS = st.lists(st.sampled_from([*"%dsvqxXTtcUefg5.2-+#0 *a", "%s", "%d", "%v", "%-8v", "%6.2f"]), max_size=6)
FORMATS = st.tuples(VERBS.map("".join), st.lists(st.sampled_from([".Name", ".Count", "-7", ".On"]), max_size=2))


def _control(parts: tuple[str, str, str]) -> str:
    word, pipeline, body = parts
    return f"{{{{{word} {pipeline}}}}}{body}{{{{else}}}}-{{{{end}}}}"


ACTIONS = st.recursive(
    PIPELINES.map(lambda pipeline: f"{{{{{pipeline}}}}}")
    | st.sampled_from(["text ", "\n", " {{- .Count -}} ", "{{/* c */}}", "}}", "{"])
    | FORMATS.map(lambda parts: f'{{{{printf "{parts[0]}" {" ".join(parts[1])}}}}}'),
    lambda inner: (
        st.tuples(st.sampled_from(["if", "with", "range"]), PIPELINES, inner).map(_control)
        | st.lists(inner, max_size=3).map("".join)
    ),
    max_leaves=5,
)


@settings(max_examples=1000)
@given(template=ACTIONS)
def test_whatever_is_written_gives_what_it_gives_with_go(template: str, go: Go) -> None:
    assert made_of(template) == go.execute(template)


@given(
    st.lists(st.sampled_from([*"{}()|.$\"`'-\\ \n\tx1@:=,_é%/*", "{{", "}}", "if", "end", "range", "nil", "define"]))
)
def test_no_text_whatever_does_more_than_fail(pieces: list[str]) -> None:
    made_of(f"{{{{{''.join(pieces)}")


@given(st.text())
def test_a_text_without_braces_is_printed_as_it_is(text: str) -> None:
    assert made_of(text.replace("{", "")) == text.replace("{", "")


def test_what_is_nested_too_deeply_is_an_error() -> None:
    for template in (
        "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
        "{{if 1}}" * 5000,
        "{{define `a`}}{{template `a`}}{{end}}{{template `a`}}",
    ):
        assert "exceeded" in made_of(template)


def test_much_space_and_widths_that_nobody_can_mean_take_no_memory(go: Go) -> None:
    assert "overflow" in made_of('{{pad "a" 100000000000 1}}')
    template = '{{printf "%99999999d" 1}}'
    assert made_of(template) == go.execute(template)


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_as_go_writes_them(value: float, go: Go) -> None:
    assert show_float(value) == go.execute(f"{{{{printf `%v` {value!r}}}}}")


CELLS = st.text(alphabet="ab é☺", max_size=14)
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=4).map("\t".join), min_size=1, max_size=5).map("\n".join)


@given(lines=LINES)
def test_columns_are_aligned_as_go_does(lines: str, go: Go) -> None:
    assert align(f"{lines}\n") == go.align(f"{lines}\n")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_json_is_indented_as_by_the_module_for_it(value: object) -> None:
    assert indented(value) == json.dumps(value, indent=4, ensure_ascii=False)


def test_a_template_is_loaded_where_there_are_braces_alone(preg: Preg) -> None:
    assert preg.ok("ps", "--format", "Names,Status") == ""
    for command in (["ps"], ["images"], ["network", "ls"], ["volume", "ls"]):
        assert "template: :1: unclosed action" in preg.fails(*command, "--format", "{{.Name")
    assert preg.ok("network", "ls", "--format", "{{.Name}}\\t{{.Driver}}") == "bridge\tbridge\nhost\thost\nnone\tnull\n"
    assert preg.ok("network", "ls", "--format", "table {{.Name}}\\t{{upper .Driver}}").splitlines() == [
        "NAME      DRIVER",
        "bridge    BRIDGE",
        "host      HOST",
        "none      NULL",
    ]
    said = preg.fails("network", "ls", "--format", "{{.Foo}}")
    assert said.startswith(
        'template parsing error: template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in'
    )
    assert "; the fields are ID, Name, Driver" in said


def test_what_is_no_text_is_printed_without_a_traceback(preg: Preg) -> None:
    assert preg.ok("network", "ls", "--filter", "name=none", "--format", '{{"\\xff"}}{{.Name}}') == "?none\n"
