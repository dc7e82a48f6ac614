"""A process that the engine starts in a container, with its streams in our hands: the container's own, or one more."""

from __future__ import annotations

import os
import termios

from runtime import frames as f
from runtime.container import reachable
from runtime.lean import signal, suppress
from runtime.sockets import Socket
from runtime.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.streams import Poller


def spawn(words: list[str], environ: Mapping[str, str], streams: tuple[int, int, int]) -> int:
    """Start the engine with these streams; give its process."""
    return os.posix_spawn(
        words[0],
        words,
        environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(streams)],
        setsigmask=(),
        # What we or Python ignore stays ignored in the child.
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT),
    )


class Process:
    """A process and its streams. ``folder`` is where the engine says what became of it.

    ``printed`` is given what it prints. With ``stdin_once`` its input ends with that of the first client who has typed.
    """

    def __init__(
        self, folder: str, printed: Callable[[int, bytes], None], *, terminal: bool, stdin: bool, stdin_once: bool
    ) -> None:
        self.terminal = terminal
        self.folder = folder
        self._printed = printed
        self.pid = 0
        self.streams = Streams(once=stdin_once)
        self._stdin = stdin
        self._stdin_once = stdin_once
        self._theirs: list[int] = []
        self._console: Socket | None = None

    def launch(self, words: Sequence[str], identifier: str, environ: Mapping[str, str]) -> int:
        """Have the engine start it: give the engine's process, which ends when it has done so, or has failed to."""
        self.streams = Streams(once=self._stdin_once, sources=self.streams.sources)
        for name in ("log", "pid", "console"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self.folder}/{name}")
        command = [*words, "--pid-file", f"{self.folder}/pid"]
        streams = self._open_console(command) if self.terminal else self._open_pipes()
        return spawn([*command, identifier], environ, streams)

    def take_over(self) -> bool:
        """Take it over from the engine, which has ended well; False if it has not started it for all that.

        So ends crun if but the one of its processes is killed that does the work.
        """
        self.pid = self._read_pid()
        if not self.pid:
            return False
        if self._console is not None:
            connection = self._console.accept()
            _, files = connection.receive_files(4096, 1)
            connection.close()
            self.streams.connect({files[0]: f.STDOUT}, files[0])
        self._let_go()
        return True

    def _read_pid(self) -> int:
        """Read what the engine writes last; 0 if it has not."""
        with suppress(FileNotFoundError), open(f"{self.folder}/pid", encoding="utf-8") as opened:
            return int(opened.read() or 0)
        return 0

    def give_up(self) -> bytes:
        """Give what the engine says, which has not started it."""
        self.pid = 0
        self._let_go()
        self.streams.close()
        with suppress(FileNotFoundError), open(f"{self.folder}/log", "rb") as file:
            return file.read()
        return b""

    def watch(self, poller: Poller, is_full: Callable[[int], bool]) -> None:
        """Wait for what it prints, but for those kinds of streams that are full, and for what it is to read."""
        self.streams.watch(poller, is_full, self._printed)

    def drain(self) -> None:
        """Read what it has printed to the end, and close all: it has ended."""
        for kind, data in self.streams.rest():
            self._printed(kind, data)
        self.streams.close()
        self.pid = 0

    def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal, if it has one, how large the person's is."""
        for file in self.streams.outputs if self.terminal else ():
            termios.tcsetwinsize(file, (rows, columns))

    def signal(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _open_pipes(self) -> tuple[int, int, int]:
        out, err = os.pipe(), os.pipe()
        given = os.pipe() if self._stdin else (os.open(os.devnull, os.O_RDONLY), None)
        self.streams.connect({out[0]: f.STDOUT, err[0]: f.STDERR}, given[1])
        self._theirs = [given[0], out[1], err[1]]
        return given[0], out[1], err[1]

    def _open_console(self, command: list[str]) -> tuple[int, int, int]:
        """Listen for the terminal that the engine makes."""
        self._console = Socket()
        with reachable(self.folder) as folder:
            self._console.bind(f"{folder}/console")
        self._console.listen()
        # The engine has our descriptor by its own number: the path is too long for a socket's name.
        opened = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
        null = os.open(os.devnull, os.O_RDWR)
        self._theirs = [opened, null]
        command += ["--console-socket", f"/proc/{os.getpid()}/fd/{opened}/console"]
        return null, null, null

    def _let_go(self) -> None:
        """Close what is the engine's, and the process's own."""
        for file in self._theirs:
            os.close(file)
        self._theirs = []
        if self._console is not None:
            self._console.close()
            self._console = None
