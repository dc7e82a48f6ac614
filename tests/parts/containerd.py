"""A containerd of the tests' own, and its ctr command."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from tests.parts.process import run, running
from tests.parts.required import require_root, required

# Kubernetes' part is not asked for; the other makes a directory in /opt.
_OFF = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]


@dataclass(frozen=True)
class Containerd:
    """The ctr command, bound to one containerd."""

    socket: Path

    def ctr(self, *arguments: str) -> CompletedProcess[str]:
        """Run a command; whatever its exit status, the caller looks at the result."""
        return run(required("ctr"), f"--address={self.socket}", *arguments)


@contextlib.contextmanager
def containerd(folder: Path) -> Iterator[Containerd]:
    """A containerd for the length of a `with`; `folder` must have a short path, for its sockets."""
    require_root()
    program, socket, config = required("containerd"), folder / "containerd.sock", folder / "config.toml"
    # What JSON has in common with TOML: strings and lists of them.
    config.write_text(
        f"version = 2\nroot = {json.dumps(str(folder / 'root'))}\nstate = {json.dumps(str(folder / 'state'))}\n"
        f"disabled_plugins = {json.dumps(_OFF)}\n[grpc]\naddress = {json.dumps(str(socket))}\n"
    )
    with running([program, f"--config={config}"]) as process:
        process.stderr.wait_for(lambda line: "containerd successfully booted" in line)
        yield Containerd(socket)
