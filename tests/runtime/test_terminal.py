"""Control characters that a registry, an image or a container has chosen: shown, not sent to the terminal."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.terminal import printable
from tests.parts.canned import answering
from tests.parts.images import File, Image, data, layer, push, write_docker_archive
from tests.parts.required import require_root, require_terminals
from tests.parts.server import Server
from tests.runtime.conftest import Preg
from tests.runtime.terminals import terminal

#: A new title, a cleared screen, red; the same by C1; a line written over; and a name that reads backwards.
EVIL = "\x1b]0;title\x07\x1b[2J\x1b[31m\x9b2J\r\x7f\u202etxt"


def controls(text: str) -> set[str]:
    """The control characters of a text that are not for lines and tables."""
    bidirectional = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    return {each for each in text if unicodedata.category(each) == "Cc" or each in bidirectional} - {"\n", "\t"}


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(EVIL)))
def test_nothing_but_control_characters_is_changed(text: str) -> None:
    shown = printable(text)
    assert controls(shown) == set()
    assert printable(shown) == shown
    if not controls(text):
        assert shown == text
    document = json.dumps([text], ensure_ascii=False)
    assert json.loads(printable(document)) == [text]


def test_words_of_a_registry_are_shown(preg: Preg) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": EVIL}]}).encode()
    with answering(403, body) as registry:
        said = preg.fails("pull", f"{registry.endpoint.removeprefix('http://')}/a/b:1")
    assert controls(said) == set()
    assert r"\u001b]0;title\u0007\u001b[2J" in said


def test_what_an_image_says_of_itself_is_shown(preg: Preg, tmp_path: Path) -> None:
    image = Image((layer({"file": File(b"")}),), {"Cmd": [EVIL], "Labels": {EVIL: EVIL}, "Env": [f"A={EVIL}"]})
    config = {**json.loads(image.config), "author": EVIL, "history": [{"created_by": EVIL, "comment": EVIL}]}
    object.__setattr__(image, "config", json.dumps(config).encode())
    preg.ok("load", "-q", "-i", str(write_docker_archive(tmp_path / "evil.tar", image, "evil:1")))
    preg.ok("create", "--runtime", "true", "--network", "none", "--name", "evil", "--label", f"c={EVIL}", "evil:1")
    preg.run("tag", EVIL, "a")
    said = preg.run("inspect", "evil", "evil:1")
    assert json.loads(said.stdout)[0]["Config"]["Cmd"] == [EVIL]
    commands = (
        ("ps", "--all", "--no-trunc"),
        ("ps", "--all", "--format", "json"),
        ("images", "--format", "json"),
        ("history", "--no-trunc", "evil:1"),
        ("inspect", "evil", "evil:1"),
        ("events", "--since", "1h", "--until", "0s"),
        ("events", "--since", "1h", "--until", "0s", "--format", "json"),
        ("inspect", EVIL),
        ("stop", EVIL),
        (EVIL,),
    )
    for words in commands:
        done = preg.run(*words)
        assert controls(done.stdout + done.stderr) == set(), words
    assert r"\u001b" in preg.ok("events", "--since", "1h", "--until", "0s")
    preg.ok("rm", "evil")


def test_names_of_files_are_shown(host: Preg, image: str, runnable: str, names: Callable[[], str]) -> None:
    name = names()
    host.ok("run", "--name", name, "--network", "none", "--runtime", runnable, image, "mkdir", f"/{EVIL}")
    found = host.ok("diff", name)
    assert controls(found) == set()
    assert r"A /\u001b]0;title" in found


def test_what_a_container_prints_is_as_it_printed_it(
    host: Preg, image: str, runnable: str, names: Callable[[], str]
) -> None:
    name = names()
    said = host.ok("run", "--name", name, "--network", "none", "--runtime", runnable, image, "echo", EVIL)
    assert said == host.ok("logs", name)
    assert EVIL.replace("\r", "\n") in said


def test_a_terminal_still_gets_our_own_control_sequences(preg: Preg) -> None:
    require_root()
    require_terminals()
    with terminal(preg.command("stats"), preg.environ) as person:
        person.wait_for(b"\x1b[H\x1b[J")


def test_progress_on_a_terminal_is_drawn_as_before(server: Server, repository: str, preg: Preg) -> None:
    require_terminals()
    push(server, repository, "1", data("drawn", layers=1, size=1000))
    with terminal(preg.command("pull", f"{server.address}/{repository}:1"), preg.environ) as person:
        assert person.end() == 0
    assert b"\x1b[" in person.printed
    assert b"\\u001b" not in person.printed
