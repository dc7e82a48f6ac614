"""A real preg server in a process of its own, and its access log."""

import contextlib
import itertools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts.process import Process
from tests.parts.required import ROOT
from tests.parts.wire import Wire

SERVE = [sys.executable, "-m", "registry", "serve"]


@dataclass(frozen=True)
class Request:
    """One line of the access log."""

    method: str
    path: str
    status: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True)
class Server(Wire):
    """A running `preg serve`, spoken to over HTTP and known by its access log."""

    storage: Path = field(kw_only=True)
    process: Process = field(kw_only=True)
    _marks: Iterator[int] = field(default_factory=itertools.count, kw_only=True, repr=False)

    @contextlib.contextmanager
    def recording(self) -> Iterator[list[Request]]:
        """A list that holds, after the `with`, the requests answered during it, in order."""
        start, seen = self._mark(), list[Request]()
        yield seen
        end = self._mark()
        lines = list(self.process.stderr)
        first = next(number for number, line in enumerate(lines) if start in line)
        last = next(number for number, line in enumerate(lines) if end in line)
        seen.extend(_requests(lines[first + 1 : last]))

    def _mark(self) -> str:
        """Leave a line in the log and wait for it: all the lines before it are then read, too."""
        path = f"/v2/mark/{next(self._marks)}-of-log/tags/list"
        self.ask("GET", path)
        self.process.stderr.wait_for(lambda line: path in line)
        return path


def start(
    storage: Path | str, config: Path | None = None, listen: str = "127.0.0.1:0", *, by: Sequence[str] = ()
) -> Server:
    """Start `preg serve` and wait until it accepts connections; the caller stops `.process`.

    `by` is a program with its arguments that starts it.
    """
    command = [*by, *SERVE, "--listen", listen, "--storage", str(storage)]
    if config:
        command += ["--config", str(config)]
    # What the caller's shell has set for its own preg must not reach this one.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREG_")}
    process = Process(command, env={**env, "PYTHONPATH": str(ROOT)})
    try:
        first = process.stdout.wait_for(lambda line: line.startswith("preg serves "))
    except AssertionError as silent:
        process.kill()
        raise AssertionError(f"{silent}\n" + "\n".join(process.stderr)) from None
    return Server(first.split()[2], storage=Path(storage), process=process)


@contextlib.contextmanager
def serving(storage: Path | str, config: Path | None = None, *, by: Sequence[str] = ()) -> Iterator[Server]:
    """A server for the length of a `with`, ended as a service manager would."""
    server = start(storage, config, by=by)
    try:
        yield server
    finally:
        assert server.process.stop() == 0, "\n".join(server.process.stderr)


def _requests(lines: list[str]) -> Iterator[Request]:
    for line in lines:
        entry = json.loads(line)
        # What is no request is TLS: whoever speaks to a registry on this host tries that first.
        if entry.get("method", "UNKNOWN") != "UNKNOWN":
            yield Request(
                entry["method"],
                entry["path"],
                entry["status"],
                entry["bytes_in"],
                entry["bytes_out"],
            )


def uploads(requests: list[Request]) -> list[Request]:
    """The requests that carried a blob or opened an upload."""
    writes = {"POST", "PATCH", "PUT"}
    return [each for each in requests if each.method in writes and "/blobs/" in each.path]


def mounts(requests: list[Request]) -> list[Request]:
    """The requests that mounted a blob: a POST without a body that is answered 201 at once."""
    return [each for each in uploads(requests) if (each.method, each.status, each.bytes_in) == ("POST", 201, 0)]
