"""The systemd of a user other than root, asked over a socket of its own, with no message bus between.

The messages of D-Bus are jeepney's. Its connections are not used, for they greet a bus, and tell a user ID that is not
ours outside of our user namespace.
"""

from __future__ import annotations

from jeepney import DBusAddress, HeaderFields, MessageType, Parser, new_method_call

from runtime.errors import Fault
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Self

    from jeepney import Message

#: How long systemd may take, in seconds. It takes milliseconds, unless it has to end an earlier scope before.
_PATIENCE: Final = 10.0
_PIECE: Final = 4096
_MANAGER: Final = DBusAddress(
    "/org/freedesktop/systemd1", "org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager"
)
_IN_USE: Final = "org.freedesktop.systemd1.UnitExists"


class UserSystemd:
    """A connection to the systemd that listens at a path. Raises OSError, and Fault with what it says."""

    def __init__(self, path: str) -> None:
        self._parser = Parser()
        self._socket = Socket()
        self._socket.settimeout(_PATIENCE)
        try:
            self._socket.connect(path)
            # Without a user ID, which systemd then asks the kernel for.
            self._socket.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
            while not (line := self._line()).startswith(b"OK "):
                if line.startswith((b"REJECTED", b"ERROR")):
                    raise Fault(f"{path} does not take us for who we are")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def start_scope(self, name: str, slice_name: str, process: int) -> None:
        """Have a process put into a new scope (systemd.scope(5)) that is ours to part, and wait until it is there."""
        job = self._ask(name, slice_name, process)
        while not job:
            # One of that name is there: that of the last start, whose processes have ended just now.
            self._wait("UnitRemoved", name)
            job = self._ask(name, slice_name, process)
        *_, result = self._wait("JobRemoved", job)
        if result != "done":
            raise Fault(f"{name} was not started ({result}): 'journalctl --user -u {name}' may tell why")

    def _ask(self, name: str, slice_name: str, process: int) -> str:
        """Ask for a scope; give the job that makes it, or nothing if one of that name is there.

        See org.freedesktop.systemd1(5).
        """
        properties = [
            ("Slice", ("s", slice_name)),
            ("Description", ("s", "A container of preg")),
            ("CollectMode", ("s", "inactive-or-failed")),
            ("Delegate", ("b", True)),
            ("PIDs", ("au", [process])),
        ]
        call = new_method_call(_MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", (name, "fail", properties, []))
        self._socket.sendall(call.serialise(serial=1))
        answer = self._next()
        while answer.header.message_type not in {MessageType.method_return, MessageType.error}:
            answer = self._next()
        if answer.header.message_type == MessageType.method_return:
            return str(answer.body[0])
        if answer.header.fields.get(HeaderFields.error_name) != _IN_USE:
            raise Fault(" ".join(answer.body) or "it does not say why")
        return ""

    def _wait(self, signal: str, about: str) -> tuple[Any, ...]:
        """Wait for a signal about something; give all that it says."""
        while True:
            said = self._next()
            if said.header.fields.get(HeaderFields.member) == signal and about in said.body:
                return tuple(said.body)

    def _next(self) -> Message:
        """Wait for what is said next."""
        while (message := self._parser.get_next_message()) is None:
            self._parser.add_data(self._read(_PIECE))
        return message

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += self._read(1)
        return line

    def _read(self, size: int) -> bytes:
        data = self._socket.recv(size)
        if not data:
            raise Fault("it has hung up")
        return data
