"""What the shells offer where a preg command is typed."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cli import COMMANDS
from runtime.cli.aliases import ALIASES
from tests.parts.images import busybox, data, push
from tests.parts.required import required
from tests.parts.server import Server
from tests.runtime.conftest import Preg


@pytest.fixture(scope="module")
def host(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Preg:
    """A host with an image, whose containers have been described and nothing more."""
    preg = Preg(tmp_path_factory.mktemp("host") / "home")
    push(server, "tests/data", "1", data("completion", layers=1, size=10))
    preg.ok("pull", f"{server.address}/tests/data:1")
    return preg


@pytest.fixture
def container(host: Preg, server: Server) -> str:
    required("crun")
    if "web" not in host.ok("ps", "-a", "--format", "Names").split():
        host.ok("create", "--name", "web", f"{server.address}/tests/data:1")
    return "web"


def offered(preg: Preg, *words: str) -> list[str]:
    return preg.ok("completion", "--complete", "--", *words).split()


def test_the_commands_and_those_of_a_family(host: Preg) -> None:
    assert offered(host, "") == sorted({name.split()[0] for name in (*(c.name for c in COMMANDS), *ALIASES)})
    assert offered(host, "pus") == ["push"]
    assert offered(host, "system", "") == ["check", "df", "events", "info", "prune", "restore"]
    assert {"ls", "list", "rm", "remove", "inspect", "create"} <= set(offered(host, "volume", ""))
    assert offered(host, "container", "pa") == ["pause"]
    assert offered(host, "nothing", "") == []


def test_the_options_of_a_command(host: Preg) -> None:
    assert offered(host, "run", "--rest") == ["--restart"]
    assert {"--all", "--filter", "--help"} <= set(offered(host, "ps", "-"))
    assert offered(host, "system", "check", "--r") == ["--repair"]
    assert offered(host, "serve", "--l") == ["--listen"]


def test_the_values_of_an_option_in_both_forms(host: Preg) -> None:
    assert offered(host, "run", "--restart", "o") == ["on-failure"]
    assert offered(host, "run", "--runtime=c") == ["--runtime=crun"]
    assert offered(host, "run", "--name", "") == []


def test_names_of_images_and_containers(host: Preg, container: str, server: Server) -> None:
    image = f"{server.address}/tests/data:1"
    for before in (["run"], ["run", "--rm", "--name", "x"], ["push"]):
        assert image in offered(host, *before, "")
    assert offered(host, "run", image, "") == []
    for command in ("rm", "start", "stop", "logs", "inspect", "container rm", "container remove", "container inspect"):
        assert container in offered(host, *command.split(), "")
    assert container in offered(host, "rm", "-f", "first", "")
    assert offered(host, "logs", container, "") == []


def test_networks_and_volumes(host: Preg, container: str) -> None:
    assert offered(host, "network", "rm", "") == ["bridge", "host", "none"]
    assert offered(host, "network", "inspect", "h") == ["host"]
    assert offered(host, "run", "--network", "n") == ["none"]
    assert offered(host, "network", "connect", "bridge", "") == [container]
    assert offered(host, "network", "create", "") == []
    host.ok("volume", "create", "kept")
    assert offered(host, "volume", "rm", "") == ["kept"]
    assert {"kept", "bridge", container} <= set(offered(host, "inspect", ""))


def test_the_keys_of_filters_and_their_values(host: Preg, container: str) -> None:
    for command in ("ps", "images", "network ls", "volume ls", "events", "prune", "volume prune", "network prune"):
        keys = offered(host, *command.split(), "--filter", "")
        assert "label=" in keys
        assert all(key.endswith("=") for key in keys)
        assert "label=" in offered(host, *command.split(), "--filter", "lab")
    assert offered(host, "ps", "-f", "network=ho") == ["network=host"]
    assert offered(host, "ps", "--filter=sta") == ["--filter=status="]
    assert offered(host, "events", "--filter", "container=") == [f"container={container}"]


def test_the_fields_of_formats(host: Preg) -> None:
    for command in ("ps", "images", "network ls", "volume ls", "stats", "history"):
        words = offered(host, *command.split(), "--format", "")
        assert {"json", "table"} < set(words)
    assert offered(host, "ps", "--format", "Na") == ["Names"]
    assert offered(host, "ps", "--format", "{{.Na") == ["{{.Names}}"]
    assert offered(host, "images", "--format", "{{.ID}}\\t{{.Ta") == ["{{.ID}}\\t{{.Tag}}"]
    assert offered(host, "inspect", "-f", "") == ["json"]
    assert offered(host, "inspect", "--type", "n") == ["network"]


@pytest.fixture
def shell(host: Preg, server: Server, runnable: str) -> Iterator[str]:
    """A container that runs, with programs in it."""
    push(server, "tests/shell", "1", busybox("hello"))
    name = f"{server.address}/tests/shell:1"
    host.ok("run", "-d", "--name", "shell", "--network", "none", "--runtime", runnable, name, "sleep", "1000")
    host.ok("exec", "shell", "sh", "-c", "mkdir -p /dir/below; touch /dir/file; ln -s / /dir/root")
    yield "shell"
    host.ok("rm", "-f", "shell")
    host.ok("rmi", name)


def test_paths_and_programs_within_containers(host: Preg, shell: str) -> None:
    assert f"{shell}:" in offered(host, "cp", "")
    assert offered(host, "cp", "-q", f"{shell}:/di") == [f"{shell}:/dir/"]
    assert offered(host, "cp", f"{shell}:/dir/") == [f"{shell}:/dir/{name}" for name in ("below/", "file", "root")]
    assert offered(host, "cp", f"{shell}:/dir/root/dir/root/dir/fi") == [f"{shell}:/dir/root/dir/root/dir/file"]
    assert (
        offered(host, "cp", "nothing:/") == offered(host, "cp", f"{shell}:/none/") == offered(host, "cp", "./x") == []
    )
    assert {"sh", "cat"} <= set(offered(host, "exec", "-it", shell, ""))
    assert offered(host, "exec", shell, "cat", "/dir/fi") == ["/dir/file"]
    assert offered(host, "exec", shell, "cat", "") == []


def test_the_commands_of_the_registry(host: Preg) -> None:
    assert {"--config", "--help", "--listen", "--storage"} <= set(offered(host, "serve", "-"))
    assert {"add", "list", "passwd", "revoke", "rm"} <= set(offered(host, "user", ""))
    assert offered(host, "key", "cr") == ["create"]
    assert {"--name", "--repo", "--config"} <= set(offered(host, "key", "create", "--"))
    assert {"pull", "push", "delete"} <= set(offered(host, "auth", "explain", "--action", ""))
    assert offered(host, "storage", "") == ["check"]
    assert offered(host, "user", "add", "") == []


def shell_environ(preg: Preg, folder: Path) -> dict[str, str]:
    """The variables of a shell that finds preg."""
    command = folder / "preg"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(preg.command())} "$@"\n')
    command.chmod(0o755)
    return {**preg.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_bash_asks_and_parts_words_as_it_does(host: Preg, container: str, server: Server, tmp_path: Path) -> None:
    script = """
    source <(preg completion bash)
    for COMP_LINE in "preg rm $1" "preg run $2" "preg run --restart=o" "preg system "; do
        COMP_POINT=${#COMP_LINE}
        _preg
        echo "${COMPREPLY[@]}"
    done"""
    started = f"{server.address}/tests"
    done = subprocess.run(
        [required("bash"), "-c", script, "bash", container[:1], started],
        env=shell_environ(host, tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    port = server.address.rpartition(":")[2]
    assert done.stdout.splitlines() == [
        container,
        f"{port}/tests/data:1",
        "on-failure",
        "check df events info prune restore",
    ]
    assert done.stderr == ""


def test_fish_asks(host: Preg, container: str, tmp_path: Path) -> None:
    script = f"preg completion fish | source; complete -C 'preg rm {container[:1]}'"
    command = [required("fish"), "--no-config", "--command", script]
    environ = {**shell_environ(host, tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert container in done.stdout.split()


def test_zsh_asks(host: Preg, container: str, tmp_path: Path) -> None:
    # Outside of a person's line editor zsh has nothing to complete, so what it would offer is printed instead.
    script = f"""
    compdef() {{ : }}
    compadd() {{ print -l ${{(P)2}} }}
    source <(preg completion zsh)
    words=(preg rm {container[:1]}) CURRENT=3
    _preg"""
    command = [required("zsh"), "-f", "-c", script]
    done = subprocess.run(command, env=shell_environ(host, tmp_path), capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([container], "")


def test_another_shell_is_one_sentence(preg: Preg) -> None:
    sentence = "there is no completion for 'tcsh', but for bash, zsh, fish"
    assert preg.fails("completion", "tcsh", status=2) == sentence
