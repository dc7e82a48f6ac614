"""Every command and option of preg for containers and images does what docker's does: exit status and output."""

import json
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pytest

from runtime.cli import GROUPS
from runtime.cli.options import Usage
from tests.parts.docker import Docker
from tests.parts.images import Image, busybox, push
from tests.parts.required import ROOT, require_root, required
from tests.parts.server import Server
from tests.runtime.conftest import Preg
from tests.runtime.docker_table import ROWS

pytestmark = pytest.mark.xdist_group("docker")

#: The groups of the help that are about preg itself.
_OWN = ("This host", "The registry")
#: How either ends that does not take the words it is given, but for ``run``.
_REFUSED = -1
COMPARED = [command for title, group in GROUPS.items() if title not in _OWN for command in group]
TABLE = [(name, option, row) for name, rows in ROWS.items() for option, row in rows.items() if not isinstance(row, str)]


def test_the_table_has_a_row_for_every_command_and_option() -> None:
    wanted = set()
    for command in COMPARED:
        usage = import_module(command.entry.partition(":")[0]).USAGE
        assert isinstance(usage, Usage)
        wanted |= {(command.name, option) for option in ("", *(option.name for option in usage.options))}
    assert {(name, option) for name, rows in ROWS.items() for option in rows} == wanted


def test_a_test_that_the_table_names_is_there() -> None:
    reasons = {row for rows in ROWS.values() for row in rows.values() if isinstance(row, str)}
    named = {name for reason in reasons for name in re.findall(r"tests/\S+\.py", reason)}
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


class Command(Protocol):
    """What docker and preg have in common."""

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]: ...


@dataclass(frozen=True)
class Side:
    """One of the two, with the words that stand for the same in a row."""

    command: Command
    words: dict[str, str]
    network: str = "none"
    """Where a container is if a row names no network; empty leaves it to the engine."""

    def play(self, row: tuple[str, ...]) -> list[tuple[str, int, str]]:
        """Do what a row says; each line with its exit status and what was printed."""
        try:
            return [(line, *self._do(line.lstrip("?"), plain=line.startswith("?"))) for line in row]
        finally:
            self.command.run("rm", "-f", "-v", "c1", "c2")
            if not self.network:
                self.command.run("network", "rm", "n1", "n2")

    def _do(self, line: str, *, plain: bool) -> tuple[int, str]:
        line, _, stdin = line.partition(" <<< ")
        words = [self._fill(word) for word in shlex.split(line)]
        if words[0] == "@ready":
            self._wait_for_a_line(words[1])
            return 0, ""
        if self.network and words[0] in ("run", "create") and "--network" not in words:
            words[1:1] = ["--network", self.network]
        done = self.ask(words, stdin or None)
        if plain:
            return _REFUSED if done.returncode in (1, 2, 125) and words[0] != "run" else done.returncode, ""
        return done.returncode, self._normal(done.stdout)

    def _fill(self, word: str) -> str:
        return re.sub(r"(?<!\{)\{(\w+)\}(?!\})", lambda found: self.words[found[1]], word)

    def ask(self, words: list[str], stdin: str | None) -> subprocess.CompletedProcess[str]:
        return self.command.run(*words, stdin=stdin)

    def _wait_for_a_line(self, container: str) -> None:
        while not (logs := self.command.run("logs", container)).stdout:
            assert logs.returncode == 0, logs.stderr

    def _normal(self, text: str) -> str:
        """Without what is by chance: containers' IDs, times, the widths of columns."""
        for name in ("own", "files"):
            text = text.replace(self.words[name], f"<{name}>")
        text = re.sub(r"\b[0-9a-f]{64}\b", lambda found: self._show_id(found[0], 64), text)
        text = re.sub(r"\b[0-9a-f]{12}\b", lambda found: self._show_id(found[0], 12), text)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:]+(\.\d+)?( ?[-+]\d{4} \w+|Z)", "<time>", text)
        text = re.sub(r"(Less than a|About an?|\d+) (second|minute|hour)s?( ago)?", "<while>", text)
        return "\n".join(re.sub(r" {2,}", "  ", line).rstrip(" ") for line in text.split("\n"))

    def _show_id(self, digits: str, length: int) -> str:
        return digits if self.words["image_id"].startswith(digits) else f"<{length} digits>"


class DockerSide(Side):
    """Docker, asked in its own words for the fields that preg names without a template."""

    def ask(self, words: list[str], stdin: str | None) -> subprocess.CompletedProcess[str]:
        if "{{" in "".join(words) or "json" in words:
            return super().ask(words, stdin)
        if "inspect" in words and "-f" in words:
            at = words.index("-f")
            done = super().ask([*words[:at], *words[at + 2 :]], stdin)
            rows = [
                [_field(document, path) for path in words[at + 1].split(",")] for document in json.loads(done.stdout)
            ]
            done.stdout = "".join("\t".join(row) + "\n" for row in rows)
            return done
        if "--format" in words:
            at = words.index("--format") + 1
            template = "\t".join(f"{{{{.{field}}}}}" for field in words[at].split(","))
            words = [*words[:at], template, *words[at + 1 :]]
        return super().ask(words, stdin)


def _field(document: Any, path: str) -> str:
    for name in path.split("."):
        document = document[name]
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


@dataclass(frozen=True)
class Both:
    preg: Side
    docker: Side


@pytest.fixture(scope="module")
def compared() -> Image:
    return busybox("hello\n")


@pytest.fixture(scope="module")
def host(server: Server, compared: Image, tmp_path_factory: pytest.TempPathFactory) -> Preg:
    """A host that has the image."""
    require_root()
    required("crun")
    preg = Preg(tmp_path_factory.mktemp("host") / "home")
    push(server, "compared/busybox", "1", compared)
    preg.ok("pull", f"{server.address}/compared/busybox:1")
    return preg


@pytest.fixture
def both(host: Preg, engine: Docker, server: Server, compared: Image, tmp_path: Path) -> Both:
    files, repository = tmp_path / "files", f"{server.address}/compared/busybox"
    files.mkdir()
    (files / "labels").write_text("# a comment\na=b\n\nc=\n")
    (files / "env").write_text("# a comment\nA=1\nB=two words\nC=\n")
    if engine.run("image", "inspect", f"{repository}:1").returncode:
        engine.forget()
        engine("pull", f"{repository}:1")
    sides = []
    for kind, command in ((Side, host), (DockerSide, engine)):
        own = tmp_path / kind.__name__
        own.mkdir()
        words = {"image": f"{repository}:1", "repository": repository, "files": str(files), "own": str(own)}
        sides.append(kind(command, {**words, "image_id": compared.config_digest.removeprefix("sha256:")}))
    return Both(*sides)


def test_lists_have_dockers_keys_in_json_and_its_escapes(both: Both) -> None:
    preg, docker = both.preg, both.docker
    try:
        for side in (preg, docker):
            words = ["create", "--name", "c1", "--network", "none", "--label", "a=<&>", side.words["image"], "true"]
            assert side.command.run(*words).returncode == 0
            assert side.command.run("volume", "create", "c1").returncode == 0
        for command in ("ps -a", "images", "volume ls", "network ls"):
            # Docker before version 23 has no word for it, and a template finds out more.
            theirs = docker.command.run(*command.split(), "--format", "{{json .}}").stdout.splitlines()[0]
            ours = preg.command.run(*command.split(), "--format", "json").stdout.splitlines()[0]
            assert json.loads(theirs).keys() <= json.loads(ours).keys()
            assert list(json.loads(ours)) == sorted(json.loads(ours))
            assert " " not in re.sub(r'"[^"]*"', "", ours)
            if command == "ps -a":
                assert r'"Labels":"a=\u003c\u0026\u003e"' in ours
                assert r'"Labels":"a=\u003c\u0026\u003e"' in theirs
    finally:
        for side in (preg, docker):
            side.command.run("rm", "c1")
            side.command.run("volume", "rm", "c1")


@pytest.mark.parametrize(
    ("name", "option", "row"), TABLE, ids=[f"{name} {option}".strip() for name, option, _ in TABLE]
)
def test_preg_does_what_docker_does(name: str, option: str, row: tuple[str, ...], both: Both) -> None:
    with ThreadPoolExecutor(2) as pool:
        preg, docker = pool.map(lambda side: side.play(row), (both.preg, both.docker))
    assert preg == docker
