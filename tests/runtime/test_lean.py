"""The runtime's own small parts of the standard library, beside the standard library's."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import lean
from tests.parts.required import ROOT

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_is_written_and_read_as_json_does(value: object) -> None:
    assert lean.to_json(value) == json.dumps(value)
    assert lean.from_json(json.dumps(value, indent=1, ensure_ascii=False).encode()) == value


@given(st.text(alphabet='{}[]",:\\1.eE-+ truefalsn\n'))
def test_what_is_no_json_is_refused_as_json_does(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r".*"):
            lean.from_json(text)
    else:
        assert lean.from_json(text) == expected


@pytest.mark.parametrize("text", ["", "{", "[1,]", '{"a":}', '"a', "NaN", "[Infinity]", "1 2", "\udc80"])
def test_bad_json_is_a_value_error_also_before_json_is_imported(text: str) -> None:
    code = (
        "import sys; from runtime.lean import from_json; assert 'json' not in sys.modules\n"
        "try: from_json(sys.argv[1].encode('utf-8', 'surrogateescape'))\n"
        "except ValueError: print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, text], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"


@pytest.mark.parametrize("value", [object(), {1, 2}, b"", float("nan"), float("inf"), [float("nan")]])
def test_what_json_has_not_is_not_written(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        lean.to_json(value)


class Ours(lean.NamedTuple):
    """A record."""

    first: int
    second: str = "two"
    third: tuple[int, ...] = ()


class Theirs(NamedTuple):
    """The same."""

    first: int
    second: str = "two"
    third: tuple[int, ...] = ()


ARGUMENTS = [
    ((), {}),
    ((1,), {}),
    ((1, "b"), {}),
    ((1, "b", (3,)), {}),
    ((1, "b", (3,), 4), {}),
    ((), {"first": 1}),
    ((), {"second": "b"}),
    ((1,), {"first": 2}),
    ((1,), {"third": (1,)}),
    ((1,), {"fourth": 1}),
    ((1, "b", (3,)), {"third": (1,)}),
]


@pytest.mark.parametrize(("values", "named"), ARGUMENTS)
def test_a_record_is_made_as_a_named_tuple(values: tuple[object, ...], named: dict[str, object]) -> None:
    try:
        theirs = Theirs(*values, **named)  # type: ignore[arg-type]
    except TypeError:
        with pytest.raises(TypeError, match="Ours"):
            Ours(*values, **named)  # type: ignore[arg-type]
        return
    ours = Ours(*values, **named)  # type: ignore[arg-type]
    assert tuple(ours) == tuple(theirs)
    assert (ours.first, ours.second, ours.third) == tuple(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert ours._asdict() == theirs._asdict()
    assert ours._replace(second="c") == theirs._replace(second="c")
    assert hash(ours) == hash(theirs)


def test_a_record_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Ours(1).first = 2  # type: ignore[misc]
    with pytest.raises((TypeError, ValueError)):
        Ours(1)._replace(fourth=1)


def test_contexts_are_as_those_of_contextlib() -> None:
    for make in (lean.contextmanager, contextlib.contextmanager):
        told: list[str] = []

        @make
        def context(told: list[str] = told, *, swallow: bool = False) -> Iterator[str]:
            told.append("enter")
            try:
                yield "given"
            except KeyError:
                told.append("caught")
                if not swallow:
                    raise
            finally:
                told.append("leave")

        with context() as given_:
            told.append(given_)
        with pytest.raises(KeyError), context():
            raise KeyError
        with context(swallow=True):
            raise KeyError
        assert told == ["enter", "given", "leave"] + ["enter", "caught", "leave"] * 2


def test_suppress_passes_on_what_it_is_not_told() -> None:
    with lean.suppress(KeyError, OSError):
        raise FileNotFoundError
    with pytest.raises(ValueError, match="it"), lean.suppress(OSError):
        raise ValueError("it")
    with lean.suppress(OSError) as given_:
        assert given_ is None


OF_ANOTHER_PYTHON = """
import _ctypes, _json, json, os, sys
del _ctypes.dlsym, _json.make_encoder, _json.make_scanner, _json.scanstring, _json.encode_basestring
from runtime import kernel, lean
value = {"a": [1, 2.5, None, True, "\\ud83d \\u00e9"], "b": {}}
assert lean.to_json(value) == json.dumps(value)
assert lean.to_json("\\u00e9", as_is=True) == '"\\u00e9"'
assert lean.from_json(json.dumps(value, indent=1).encode()) == value
for call in (lambda: lean.from_json("[1,]"), lambda: lean.from_json("NaN"), lambda: lean.to_json(float("nan"))):
    try:
        call()
    except ValueError:
        print("ValueError")
root = os.open(sys.argv[1], os.O_PATH)
print(os.read(kernel.open_inside(root, b"link", os.O_RDONLY), 9).decode())
kernel.give_back_memory()
try:
    kernel.open_inside(root, b"missing", os.O_RDONLY)
except FileNotFoundError as error:
    print(error.filename)
print(*{"ctypes", "json"} & sys.modules.keys())
"""


def test_the_public_modules_do_the_work_where_private_ones_are_not_as_expected(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("within")
    (tmp_path / "link").symlink_to("/file")
    done = subprocess.run(
        [sys.executable, "-S", "-c", OF_ANOTHER_PYTHON, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[:5] == ["ValueError"] * 3 + ["within", "missing"]
    assert set(done.stdout.splitlines()[5].split()) == {"ctypes", "json"}
