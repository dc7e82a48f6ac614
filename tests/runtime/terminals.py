"""A person at a terminal."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence


class Terminal:
    """A command on a terminal of its own, which is typed to and read."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], size: tuple[int, int] = (24, 80)) -> None:
        self.file, slave = pty.openpty()
        self.resize(*size)
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(command, env=environ, start_new_session=True, **streams)
        os.close(slave)
        self.printed = b""

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.file, keys)

    def resize(self, rows: int, columns: int) -> None:
        """Change the size; the terminal's processes are not told."""
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("=HHHH", rows, columns, 0, 0))

    def wait_for(self, text: bytes) -> None:
        """Read until something is printed."""
        while text not in self.printed:
            piece = self._read()
            assert piece, f"{text!r} is not in {self.printed!r}"

    def end(self) -> int:
        """Read to the end; the exit status."""
        while self._read():
            pass
        return self.process.wait()

    def _read(self) -> bytes:
        piece = b""
        with contextlib.suppress(OSError):  # EIO is how a terminal ends
            piece = os.read(self.file, 4096)
        self.printed += piece
        return piece


@contextlib.contextmanager
def terminal(
    command: Sequence[str], environ: Mapping[str, str], size: tuple[int, int] = (24, 80)
) -> Iterator[Terminal]:
    """A command on a terminal, killed if it goes on."""
    person = Terminal(command, environ, size)
    try:
        yield person
    finally:
        person.process.kill()
        person.process.wait()
        os.close(person.file)
