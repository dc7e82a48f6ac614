"""The server as a program: how it starts, what it says, what it logs."""

import json
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.parts import accounts, process
from tests.parts.images import data, push
from tests.parts.required import ROOT
from tests.parts.server import SERVE, Server, serving, start
from tests.parts.wire import sha256

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PREG_")}


def refused(*arguments: str, **variables: str) -> str:
    """Start a server that cannot run; give its one sentence."""
    done = process.run(*SERVE, *arguments, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT), **variables})
    assert (done.returncode, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("preg serve: ")
    return line


def test_settings_that_are_wrong(tmp_path: Path) -> None:
    assert "nowhere.toml" in refused("--config", "nowhere.toml")
    config = tmp_path / "preg.toml"
    config.write_text("[server]\nlistn = 'x:1'\n")
    assert "listn" in refused("--config", str(config))
    assert "$.server.listen" in refused("--listen", "nonsense", "--storage", str(tmp_path))
    assert "$.uploads.expire_after" in refused("--storage", str(tmp_path), PREG_UPLOADS_EXPIRE_AFTER="-1")


@pytest.mark.parametrize("listen", ["localhost:99999", ":65536", "[::1]:70000"])
def test_a_port_out_of_range(tmp_path: Path, listen: str) -> None:
    """The C library would take 99999 for 34463."""
    said = refused("--listen", listen, "--storage", str(tmp_path))
    assert f"'{listen}' is not HOST:PORT" in said
    assert "65535" in said


@pytest.mark.parametrize("listen", ["no-such-host.invalid:0", f"{'a' * 64}.example:0"])
def test_an_address_that_is_none(tmp_path: Path, listen: str) -> None:
    assert f"cannot listen on {listen}" in refused("--listen", listen, "--storage", str(tmp_path))


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"cannot listen on {listen}" in refused("--listen", listen, "--storage", str(tmp_path))


def test_a_storage_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert str(tmp_path / "file") in refused("--storage", str(tmp_path / "file"))
    assert str(tmp_path / "file/below") in refused("--storage", str(tmp_path / "file/below"))
    assert "gopher" in refused("--storage", "gopher://example.com/x")


def test_flags_that_are_unknown_are_a_mistake_of_usage() -> None:
    done = process.run(*SERVE, "--listne", "x:1", env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert "--listne" in done.stderr


def test_the_server_is_not_loaded_to_say_that_it_cannot_run() -> None:
    """The command is to answer at once where nothing is to be served."""
    code = "import sys; from registry.cli import main; main(['--config', 'no.toml']); print('aiohttp' in sys.modules)"
    done = process.run(sys.executable, "-c", code, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)})
    assert done.stdout.strip() == "False"


def test_no_request_waits_until_the_whole_program_is_searched_for_garbage(tmp_path: Path) -> None:
    code = (
        "import atexit, gc, runpy, sys; atexit.register(lambda: print(gc.get_freeze_count() > 10_000, flush=True));"
        "sys.argv = sys.argv[3:]; runpy.run_module(sys.argv[0], run_name='__main__')"
    )
    server = start(tmp_path, by=[sys.executable, "-c", code])
    server.process.stop()
    assert server.process.stdout.wait_for(lambda line: not line.startswith("preg serves")) == "True"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    server = start(tmp_path)
    try:
        assert server.ask("GET", "/v2/").status == 200
        os.kill(server.process.pid, number)
        assert server.process.wait() == 0
    finally:
        server.process.kill()
    assert any("stopping" in line for line in server.process.stderr)


@pytest.mark.parametrize("umask", ["000", "002", "077"])
def test_nobody_else_may_write_to_what_it_makes_nor_read_secrets(tmp_path: Path, umask: str) -> None:
    config, storage = tmp_path / "preg.toml", tmp_path / "not/there/yet"
    config.write_text(accounts.settings(tmp_path, "token"))
    with serving(storage, config, by=["sh", "-c", f'umask {umask}; exec "$@"', "sh"]) as server:
        known = accounts.Known(server.url, user="admin")
        known.push_blob("team/app", b"content")
        push(known, "team/app", "1", data("modes", layers=1, size=10))
        assert known.ask("DELETE", "/v2/team/app/manifests/1").status == 202
        location = known.ask("POST", "/v2/team/app/blobs/uploads/").headers["Location"]
        assert known.ask("PATCH", location, b"some of it").status == 202
    made = [tmp_path / "not", *(tmp_path / "not").rglob("*")]
    assert [path for path in made if path.stat().st_mode & 0o022] == []
    secrets = [path for path in made if (storage / "preg") in (path, *path.parents)]
    assert any(path.is_file() for path in secrets)
    assert [path for path in secrets if path.stat().st_mode & 0o077] == []


class TestLogs:
    """One line of JSON for each request, and nothing secret in it."""

    def line(self, server: Server, path: str) -> dict[str, Any]:
        """The access log's line for a path that only one request had."""
        text = server.process.stderr.wait_for(lambda line: f'"{path}"' in line)
        entry = json.loads(text)
        assert isinstance(entry, dict)
        return entry

    def test_fields(self, server: Server, repository: str) -> None:
        digest = sha256(b"content")
        path = f"/v2/{repository}/blobs/uploads/"
        server.ask(
            "POST", f"{path}?digest={digest}", b"content", {"X-Request-ID": "from-proxy-1", "User-Agent": 'an "agent"'}
        )
        line = self.line(server, path)
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
        assert line.pop("seconds") >= 0
        assert line == {
            "logger": "preg.access",
            "request_id": "from-proxy-1",
            "remote": "127.0.0.1",
            "method": "POST",
            "path": path,
            "status": 201,
            "bytes_in": 7,
            "bytes_out": 0,
            "user_agent": 'an "agent"',
        }
        server.ask("GET", f"/v2/{repository}/blobs/{digest}", headers={"Range": "bytes=0-2"})
        line = self.line(server, f"/v2/{repository}/blobs/{digest}")
        assert (line["status"], line["bytes_out"]) == (206, 3)

    def test_the_request_id_is_the_one_in_the_answer(self, server: Server, repository: str) -> None:
        path = f"/v2/{repository}/tags/list"
        answer = server.ask("GET", path)
        assert self.line(server, path)["request_id"] == answer.headers["X-Request-ID"]

    def test_head_sends_no_bytes(self, server: Server, repository: str) -> None:
        digest = server.push_blob(repository, b"content")
        server.ask("HEAD", f"/v2/{repository}/blobs/{digest}")
        line = self.line(server, f"/v2/{repository}/blobs/{digest}")
        assert (line["method"], line["status"], line["bytes_out"]) == ("HEAD", 200, 0)

    @pytest.mark.parametrize("header", ["", "Range: bytes=0-1,1000-40000000\r\n"], ids=["whole", "parts"])
    def test_a_download_that_its_client_breaks_off(self, server: Server, repository: str, header: str) -> None:
        path = f"/v2/{repository}/blobs/{server.push_blob(repository, bytes(50_000_000))}"
        with server.connected() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 20")
        assert self.line(server, path)["status"] == 499

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_an_upload_that_its_client_breaks_off(self, server: Server, repository: str, method: str) -> None:
        location = server.ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        with server.connected() as connection:
            target = f"{location}?digest={sha256(b'content')}"
            connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\ncon".encode())
        line = self.line(server, location)
        assert (line["method"], line["status"]) == (method, 499)

    def test_no_secret_is_logged(self, server: Server, repository: str) -> None:
        path = f"/v2/{repository}/manifests/secretless"
        for value in ("Bearer s3cret", "Bearer s3cret" + "x" * 200_000, "Basic s3cret\tx"):
            server.ask("GET", f"{path}?token=s3cret", headers={"Authorization": value})
        with server.recording():
            pass
        logged = list(server.process.stderr)
        assert any(path in line for line in logged)
        assert not [line for line in logged if "s3cret" in line or "Traceback" in line]
        assert all(json.loads(line) for line in logged)

    def test_it_can_be_left_out(self, tmp_path: Path) -> None:
        config = tmp_path / "preg.toml"
        config.write_text("[log]\naccess = false\n")
        with serving(tmp_path / "storage", config) as server:
            assert server.ask("GET", "/v2/_catalog").status == 200
        assert not [line for line in server.process.stderr if "_catalog" in line]
