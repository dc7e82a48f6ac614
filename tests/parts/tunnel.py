"""An HTTP proxy that leads every CONNECT to loopback.

Docker verifies no certificate of a registry on loopback. It does verify one that it reaches by a
name, and a proxy resolves names for it.
"""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator


class _Tunnel(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        port = int(self.rfile.readline().split()[1].rpartition(b":")[2])
        while self.rfile.readline().strip():
            pass
        with socket.create_connection(("127.0.0.1", port)) as target:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=relay, args=(target, self.connection))
            back.start()
            relay(self.connection, target)
            back.join()


def relay(source: socket.socket, target: socket.socket, allow: Callable[[int], None] = lambda _: None) -> None:
    """Pass bytes on until one side closes, then tell the other; `allow` is asked before each piece, by its length."""
    with contextlib.suppress(OSError):  # an end that hangs up in the middle ends the tunnel
        while piece := source.recv(1 << 16):
            allow(len(piece))
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tunnelling() -> Iterator[str]:
    """The URL of a running proxy, for the length of a `with`."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tunnel) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
