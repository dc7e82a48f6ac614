"""The preg command: its words, its faults, and what it must not import."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import engine
from runtime.cli import COMMANDS, Command, container_options, find, main, run
from runtime.cli.aliases import ALIASES
from runtime.cli.help import FAMILIES
from runtime.cli.options import Family, HelpWanted, Option, Options, Usage, load_function
from runtime.errors import Fault, UsageError
from tests.parts.docker import Docker
from tests.parts.required import ROOT, required
from tests.runtime.conftest import Preg

#: A quick command must not pay for these; each takes as long to import as the command to run.
HEAVY = {"aiohttp", "argparse", "asyncio", "boto3", "cryptography", "http.client", "rich", "subprocess", "tarfile"}
#: Nor may those that people wait for many times a day pay for these, a millisecond each.
QUICK = HEAVY | {"msgspec", "datetime", "pathlib", "ctypes", "socket", "struct", "shlex", "termios", "tty", "secrets"}


#: The commands of this room; the registry's have parsers of their own.
OWN = [command for command in COMMANDS if command.entry.startswith("runtime.")]


def usage_of(command: Command) -> Usage:
    """What a command understands."""
    usage = import_module(command.entry.partition(":")[0]).USAGE
    assert isinstance(usage, Usage)
    return usage


def last_line_of(code: str, preg: Preg, *flags: str) -> str:
    """What some code prints last."""
    command = [sys.executable, *flags, "-c", code]
    done = subprocess.run(command, env=preg.environ, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.splitlines()[-1]


def imported_by(code: str, preg: Preg, *flags: str) -> set[str]:
    """The modules that are there after some code."""
    return set(last_line_of(f"import sys\n{code}\nprint(chr(10) + ' '.join(sys.modules))", preg, *flags).split())


@pytest.mark.parametrize("arguments", [["--help"], ["images"], ["run", "--help"], ["nothing"]])
def test_a_quick_command_imports_nothing_heavy(arguments: list[str], preg: Preg) -> None:
    modules = imported_by(f"from runtime.cli import main; main({arguments})", preg)
    assert "runtime.cli" in modules
    assert modules & HEAVY == set()
    assert not any(module.startswith(("registry.", "auth.")) for module in modules)


def test_running_an_image_that_is_here_imports_nothing_heavy(preg: Preg) -> None:
    modules = imported_by("import runtime.cli.run", preg)
    assert "runtime.container" in modules
    assert modules & (HEAVY | {"msgspec", "datetime", "secrets", "uuid"}) == set()
    assert modules & {"runtime.provision", "runtime.volumes", "csv"} == set()  # for those who mount


def test_what_reads_options_is_imported_where_they_are_given(preg: Preg) -> None:
    families = [v for module in (container_options, run) for v in vars(module).values() if isinstance(v, Family)]
    readers = {family.reader.partition(":")[0] for family in families}
    assert all(callable(load_function(family.reader)) for family in families)
    assert imported_by("import runtime.cli.run", preg) & readers == set()
    for family in families:
        assert family.read(Options(), "as it was") == "as it was"
    assert {option for family in families for option in family.options} < set(run.USAGE.options)


def test_running_one_more_command_imports_less_still(preg: Preg) -> None:
    # Without site, for the way in which preg is installed here may import much by itself.
    modules = imported_by("import runtime.cli, runtime.cli.exec", preg, "-S")
    assert "runtime.execute" in modules
    assert modules & (QUICK | {"runtime.launch", "runtime.engine", "runtime.rootless", "runtime.tree"}) == set()


@pytest.mark.parametrize(
    "module", ["runtime.cli.exec", "runtime.cli.ps", "runtime.cli.run", "runtime.launch", "runtime.supervisor"]
)
def test_no_type_that_stays_is_named_by_a_string(module: str, preg: Preg) -> None:
    # The first makes Python load its compiler's vocabulary: 2 ms, and 200 KiB of each supervisor.
    named = "[found for found in gc.get_objects() if isinstance(found, typing.ForwardRef)]"
    assert last_line_of(f"import gc, typing, {module}; print({named})", preg) == "[]"


def test_listing_containers_imports_next_to_nothing(preg: Preg) -> None:
    modules = imported_by("from runtime.cli import main; main(['ps'])", preg, "-S")
    assert "runtime.network.endpoints" in modules
    assert modules & (QUICK | {"runtime.launch", "runtime.engine", "runtime.rootless", "runtime.tree"}) == set()
    assert modules & {"runtime.network.networks", "runtime.network.hosts", "runtime.network.plan"} == set()


def test_a_container_without_a_network_loads_nothing_of_networks(preg: Preg) -> None:
    modules = imported_by("import runtime.network.sandbox, runtime.network.entries", preg, "-S")
    of_networks = {module for module in modules if module.startswith("runtime.network.")}
    assert of_networks == {f"runtime.network.{name}" for name in ("entries", "namespace", "plan", "sandbox")}


def test_no_module_hides_what_finds_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        load_function(command.entry)
    assert main(["version"]) == 0
    assert "Version" in capsys.readouterr().out


@pytest.mark.parametrize("command", [c.name for c in COMMANDS])
def test_each_command_is_there_and_explains_itself(command: str, preg: Preg) -> None:
    text = preg.ok(*command.split(), "--help")
    assert text.lower().startswith(f"usage: preg {command}")
    assert command in preg.ok("--help")


@pytest.mark.parametrize("command", OWN, ids=lambda command: command.name)
def test_each_commands_help_has_an_example_of_it(command: Command) -> None:
    usage = usage_of(command)
    assert usage.command == command.name
    examples = usage.help().partition("\nExample")[2]
    assert re.search(rf"^  .*preg {command.name}\b", examples, re.MULTILINE)


@pytest.mark.parametrize("command", OWN, ids=lambda command: command.name)
def test_each_commands_options_have_names_of_their_own(command: Command) -> None:
    options = usage_of(command).options
    names = [name for option in options for name in (option.name, option.short) if name]
    assert len(names) == len(set(names))
    assert all(option.help for option in options)


def test_the_help_lists_every_command_once_in_its_group(preg: Preg) -> None:
    listed = re.findall(r"^  (\w+(?: \w+)?)  ", preg.ok("--help"), re.MULTILINE)
    assert listed == [c.name for c in COMMANDS]
    assert len(set(listed)) == len(listed)
    assert preg.ok() == preg.ok("help") == preg.ok("--help")
    assert preg.ok("help", "ps") == preg.ok("ps", "--help")


def test_a_family_of_commands_lists_its_own(preg: Preg) -> None:
    assert {"container", "image", "manifest", "network", "system", "volume"} == {*FAMILIES}
    for family in FAMILIES:
        listed = set(re.findall(r"^  (\w+ \w+)  ", preg.ok(family), re.MULTILINE))
        assert {c.name for c in COMMANDS if c.name.startswith(f"{family} ")} <= listed
        meant = {ALIASES.get(name, name) for name in listed}
        assert {meaning for alias, meaning in ALIASES.items() if alias.startswith(f"{family} ")} <= meant
        assert len(meant) == len(listed)
        assert preg.ok(family, "--help") == preg.ok(family)
        assert preg.fails(family, "nothing", status=2) == (
            f"there is no command '{family} nothing'; 'preg {family} --help' lists those there are"
        )


@pytest.mark.parametrize("alias", ALIASES)
def test_another_name_is_the_command_that_it_stands_for(alias: str, preg: Preg) -> None:
    command, words = find(alias.split())
    assert command is not None
    assert " ".join(words) == ALIASES[alias]
    assert f"preg {alias}" in preg.ok(*ALIASES[alias].split(), "--help") or "--type" in words
    assert preg.ok(*alias.split(), "--help") == preg.ok(*ALIASES[alias].split(), "--help")


#: What docker's engines or plugins do, and preg does not: builds, and what stands for another version of itself.
NOT_THERE = {"build", "commit", "export", "import", "update"}


@pytest.mark.parametrize("family", ["container", "image", "network", "system", "volume"])
def test_a_family_has_the_verbs_of_docker(family: str, engine: Docker) -> None:
    helped = engine(family, "--help")
    verbs = set(re.findall(r"^  ([a-z]+)\*? ", helped.partition("Commands:")[2], re.MULTILINE))
    also = {name.split()[-1] for verb in verbs for name in aliases_in(engine(family, verb, "--help"), family)}
    assert verbs
    assert {verb for verb in verbs | also if find([family, verb])[0] is None} - NOT_THERE == set()


def aliases_in(text: str, family: str) -> list[str]:
    """The names within a family that a help of docker's lists; older ones have them without the family."""
    lines = re.search(r"^Aliases:\n((?:  .+\n)+)", text, re.MULTILINE)
    names = [name.strip() for name in (lines[1] if lines else "").replace("\n", ",").split(",")]
    return [name for name in names if name and (" " not in name or name.startswith(f"docker {family} "))]


def test_an_unknown_command_is_one_sentence(preg: Preg) -> None:
    rest = "'preg --help' lists those there are"
    assert preg.fails("pul", status=2) == f"there is no command 'pul'; did you mean 'preg pull'? {rest}"
    assert preg.fails("nothing", status=2) == f"there is no command 'nothing'; {rest}"
    assert "there is no command 'volume lists'; did you mean 'preg volume list'?" in preg.fails(
        "volume", "lists", status=2
    )


def test_what_names_a_daemon_is_refused_and_the_rest_of_dockers_options_is_taken(preg: Preg) -> None:
    for words in (["-H", "ssh://there"], ["--host=unix:///x"], ["--context", "there"], ["--tls"], ["--tlscert", "x"]):
        assert "preg has no daemon and works on the host where it is called" in preg.fails(*words, "ps", status=2)
    assert "one of debug, info, warn, error, fatal" in preg.fails("-l", "loud", "ps", status=2)
    assert preg.ok("-D", "-l", "debug", "--context", "default", "--config", "x", "ps", "-q") == ""
    assert preg.ok("-D", "--version") == preg.ok("-v") == preg.ok("--version")
    assert "there is no option --nothing" in preg.fails("--nothing", "ps", status=2)
    assert preg.ok("-D", "--help") == preg.ok("--help")


def test_the_logins_of_another_directory_are_taken(preg: Preg, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"127.0.0.1:1": {"auth": "YTpi"}}}))
    preg.ok("--config", str(tmp_path), "logout", "127.0.0.1:1")
    assert json.loads((tmp_path / "config.json").read_text()).get("auths", {}) == {}


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["pull"], 2, "used as: preg pull"),
        (["pull", "a", "b"], 2, "used as: preg pull"),
        (["pull", "--nonsense", "a"], 2, "no option --nonsense"),
        (["pull", "UPPER"], 2, "'UPPER' is no name of an image"),
        (["pull", "a@sha256:12"], 2, "is no name of an image"),
        (["pull", "127.0.0.1:1/a"], 1, "127.0.0.1:1 cannot be reached"),
        (["push", "nothing"], 1, "no image nothing on this host"),
        (["push", "nothing", f"127.0.0.1:1/a@sha256:{'0' * 64}"], 2, "is pushed by a tag"),
        (["run"], 125, "used as: preg run"),
        (["run", "--rm=perhaps", "a"], 125, "'perhaps' cannot be its value"),
        (["run", "-e"], 125, "--env needs a value"),
        (["run", "-e", "=x", "a"], 125, "a variable is NAME=VALUE or NAME"),
        (["run", "-v", "/data:data", "a"], 125, "the path in the container must be absolute"),
        (["run", "-v", "a/b:/data", "a"], 125, "'a/b' cannot be a volume's name"),
        (["run", "-v", "/data:/data:sideways", "a"], 125, "no option 'sideways'"),
        (["run", "-w", "here", "a"], 125, "an absolute path"),
        (["run", "-it", "a"], 125, "needs a terminal on standard input"),
        (["run", "--network", "nowhere", "a"], 125, "no network 'nowhere'"),
        (["run", "--network", "container:web", "-p", "80", "a"], 125, "publish ports with the other"),
        (["run", "--network", "host", "--ip", "10.0.0.2", "a"], 125, "--ip is for a network of one's own"),
        (["run", "-p", "80:90:100:110", "a"], 125, "[[ADDRESS:]HOST:]CONTAINER"),
        (["network", "rm", "nowhere"], 1, "no network 'nowhere'"),
        (["network", "create", "--subnet", "10.0.0.1/24", "a"], 2, "is 10.0.0.0/24"),
        (["run", "--runtime", "walk", "a"], 125, "no OCI runtime 'walk' on PATH"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_fault_is_one_sentence(arguments: list[str], status: int, sentence: str, preg: Preg) -> None:
    assert sentence in preg.fails(*arguments, status=status)


def test_an_image_that_cannot_be_pulled_is_not_run(preg: Preg) -> None:
    required("crun")
    assert "127.0.0.1:1 cannot be reached" in preg.fails("run", "127.0.0.1:1/a", status=125)


def test_a_missing_oci_runtime_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where Debian has its runtimes is looked at whatever PATH says, so names that cannot be there stand in.
    monkeypatch.setattr(engine, "KNOWN", ("crun-gone", "runc-gone"))
    with pytest.raises(Fault, match=r"no OCI runtime \(crun-gone or runc-gone\) is installed: apt install crun-gone"):
        engine.find(None, str(tmp_path), str(tmp_path))


def test_a_home_that_is_no_absolute_path_is_refused(preg: Preg) -> None:
    environ = {**preg.environ, "PREG_HOME": "here"}
    done = subprocess.run(preg.command("images"), env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "preg: PREG_HOME is 'here', and must be an absolute path\n")


def test_a_package_that_stands_in_for_a_room_is_found_out(preg: Preg, tmp_path: Path) -> None:
    (tmp_path / "auth").mkdir()
    (tmp_path / "auth/__init__.py").write_text("")
    (tmp_path / "auth/errors.py").write_text("class Other(Exception): ...")
    environ = {**preg.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(preg.command("user"), env=environ, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    assert f"the package 'auth' of preg was found at {tmp_path}/auth/__init__.py" in done.stderr


def test_a_reader_that_goes_away_is_no_fault(preg: Preg) -> None:
    shell = " ".join(preg.command("--help"))
    done = subprocess.run(["sh", "-c", f"{shell} | true"], env=preg.environ, capture_output=True, check=True)
    assert done.stderr == b""


def test_a_stream_that_is_closed_leads_nowhere(preg: Preg) -> None:
    shell = ["sh", "-c", 'exec "$@" <&- >&-', "sh", *preg.command("ps")]
    done = subprocess.run(shell, env=preg.environ, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_output_for_which_there_is_no_room_is_a_fault(preg: Preg) -> None:
    shell = ["sh", "-c", 'exec "$@" > /dev/full', "sh", *preg.command("ps")]
    done = subprocess.run(shell, env=preg.environ, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"preg: No space left on device\n")


def test_an_unreadable_note_of_an_image_says_what_to_do(preg: Preg) -> None:
    (preg.home / "references").mkdir(parents=True)
    (preg.home / "references/x.json").write_text(json.dumps({"reference": 1}))
    assert "pull it again" in preg.fails("images")


USAGE = Usage(
    "test",
    "",
    (Option("--switch", "", short="-s"), Option("--other", "", short="-o"), Option("--value", "", "V", "-v")),
    operands=(1, 1),
    command_follows=True,
)
WORDS = st.lists(st.text(max_size=8), max_size=6)
OPERANDS = st.text(max_size=8).filter(lambda word: not word.startswith("-"))


@given(st.lists(st.text(max_size=8)), OPERANDS, WORDS)
def test_values_come_back_in_order_and_the_command_untouched(values: list[str], image: str, command: list[str]) -> None:
    arguments = [word for value in values for word in ("--value", value)]
    options = USAGE.parse([*arguments, "-s", image, *command])
    assert options.all("--value") == values
    assert options.last("--value") == (values[-1] if values else None)
    assert "--switch" in options
    assert "--other" not in options
    assert options.operands == [image, *command]


@given(st.text(min_size=1, max_size=8).filter(lambda value: not value.startswith("=")))
def test_all_ways_to_write_a_value_mean_the_same(value: str) -> None:
    for written in (["--value", value], [f"--value={value}"], ["-v", value], [f"-v{value}"], [f"-v={value}"]):
        assert USAGE.parse([*written, "image"]).all("--value") == [value]
    options = USAGE.parse(["-sov", value, "image"])
    assert ("--switch" in options, "--other" in options, options.all("--value")) == (True, True, [value])


@given(st.lists(st.text(max_size=6), max_size=8))
def test_no_words_whatever_do_more_than_fail(words: list[str]) -> None:
    try:
        options = USAGE.parse(words)
    except (UsageError, HelpWanted):
        return
    assert options.operands == words[-len(options.operands) :]


def test_a_switch_can_be_set_off() -> None:
    assert "--switch" not in USAGE.parse(["--switch", "--switch=false", "image"])
    assert "--switch" in USAGE.parse(["--switch=true", "image"])


def test_two_dashes_end_the_options_and_later_ones_are_the_commands() -> None:
    assert USAGE.parse(["--", "-image", "-c"]).operands == ["-image", "-c"]
    assert USAGE.parse(["image", "--", "-s"]).operands == ["image", "--", "-s"]


def test_where_options_and_operands_mix_both_are_found() -> None:
    usage = USAGE._replace(command_follows=False, operands=(0, 2))
    options = usage.parse(["a", "-s", "b"])
    assert (options.operands, "--switch" in options) == (["a", "b"], True)
