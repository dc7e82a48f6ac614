"""An HTTP server that says the same to everybody, for answers that no store at hand can be brought to give."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.parts.tls import Authority


@dataclass(frozen=True)
class Canned:
    """A running server, and the requests it has had: method and path."""

    endpoint: str
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def answering(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, authority: Authority | None = None
) -> Iterator[Canned]:
    """A server for the length of a `with`; with an authority it speaks TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            canned.requests.append(f"{self.command} {self.path}")
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        scheme = "http"
        if authority:
            scheme, server.socket = "https", authority.server().wrap_socket(server.socket, server_side=True)
        canned = Canned(f"{scheme}://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield canned
        finally:
            server.shutdown()
            thread.join()
