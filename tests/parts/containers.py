"""podman, buildah and skopeo, with storage of the tests' own."""

from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from tests.parts.process import output, run
from tests.parts.required import require_root, required


@dataclass(frozen=True)
class Storage:
    """podman or buildah with its own image store below `folder`."""

    program: str
    folder: Path

    def _command(self, *arguments: str) -> list[str]:
        require_root()
        return [
            required(self.program),
            f"--root={self.folder / 'root'}",
            f"--runroot={self.folder / 'run'}",
            "--storage-driver=vfs",
            *(("--cgroup-manager=cgroupfs",) if self.program == "podman" else ()),
            *arguments,
        ]

    def __call__(self, *arguments: str) -> str:
        """Run a command that must succeed; its stdout."""
        return output(*self._command(*arguments))

    def attempt(self, *arguments: str, stdin: str | None = None) -> CompletedProcess[str]:
        """Run a command; whatever its exit status, the caller looks at the result."""
        return run(*self._command(*arguments), stdin=stdin)

    def run(self, *arguments: str) -> tuple[int, str]:
        """`podman run` in a form every host can do; the container's exit status and stdout."""
        # Debian 12's crun refuses a host with both cgroup versions, runc does not.
        limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
        host = [f"--runtime={required('runc')}", "--network=none", *limits]
        done = run(*self._command("run", "--rm", *host, *arguments))
        assert done.returncode != 125, done.stderr
        return done.returncode, done.stdout


def skopeo(*arguments: str) -> str:
    """Run skopeo, which must succeed; its stdout."""
    return output(required("skopeo"), *arguments)
