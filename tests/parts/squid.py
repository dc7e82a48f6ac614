"""squid, an HTTP proxy as companies have it: it wants a password, and it alone knows the registries' names."""

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.parts.process import Process, running
from tests.parts.required import required
from tests.parts.tls import NAME, Authority

USER, PASSWORD = "worker", "p@ss:w/rd #1"
#: The password as Apache keeps it: openssl passwd -apr1 -salt preg PASSWORD.
_HASH = "$apr1$preg$.I97stZzv6F6M7PR6hqRU/"
#: Other names that lead to this host.
OTHER_NAME = "store.test"

_CONFIG = """
logformat short %rm %ru %>Hs %un
{port}
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
hosts_file {folder}/hosts
pid_filename {folder}/pid
access_log stdio:{folder}/access.log logformat=short
cache_log {folder}/cache.log
strip_query_terms off
buffered_logs off
cache deny all
coredump_dir {folder}
shutdown_lifetime 0 seconds
"""


@dataclass(frozen=True)
class Squid:
    """A running proxy."""

    scheme: str
    port: int
    log: Path
    process: Process

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def url_with_password(self) -> str:
        return f"{self.scheme}://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}"

    def variables(self) -> dict[str, str]:
        """The environment of those who are to use it."""
        return {"HTTP_PROXY": self.url_with_password, "https_proxy": self.url_with_password}

    def requests(self) -> list[tuple[str, str, int, str]]:
        """What was asked of it: method, URL or HOST:PORT, status and user."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [(method, url, int(status), user) for method, url, status, user in lines]


@contextlib.contextmanager
def proxying(authority: Authority | None = None) -> Iterator[Squid]:
    """A proxy for the length of a `with`; with an authority it speaks TLS itself."""
    program = required("squid")
    # Started by root it becomes another user, for whom a folder of pytest's is closed.
    with tempfile.TemporaryDirectory(prefix="preg-squid-") as name, socket.socket() as held:
        folder = Path(name)
        folder.chmod(0o777)
        # It cannot choose a port itself: nobody else is given it, for it is taken here as well.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        listen = f"http_port 127.0.0.1:{port} worker-queues"
        if authority is not None:
            for file in (authority.certificate, authority.key):
                (folder / file.name).write_bytes(file.read_bytes())
            files = f"tls-cert={folder}/{authority.certificate.name} tls-key={folder}/{authority.key.name}"
            listen = f"https_port 127.0.0.1:{port} {files} worker-queues"
        (folder / "users").write_text(f"{USER}:{_HASH}\n")
        (folder / "hosts").write_text(f"127.0.0.1 {NAME} {OTHER_NAME}\n")
        (folder / "squid.conf").write_text(_CONFIG.format(port=listen, folder=folder))
        with running([program, "-N", "-d", "1", "-f", str(folder / "squid.conf")]) as process:
            process.stderr.wait_for(lambda line: "Accepting" in line)
            yield Squid("http" if authority is None else "https", port, folder / "access.log", process)
