"""nginx in front of a server, with the configuration we ship."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.parts.process import running
from tests.parts.required import ROOT, required
from tests.parts.tls import Authority

_MAIN = """
daemon off;
error_log stderr notice;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/preg.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running nginx: HOST:PORT with TLS, and HOST:PORT that redirects to it."""

    tls: str
    plain: str


@contextlib.contextmanager
def proxying(folder: Path, upstream: str, files: Authority) -> Iterator[Proxy]:
    """nginx with deploy/nginx/preg.conf before the server at `upstream`, for a `with`."""
    program = required("nginx")
    tls, plain = (f"127.0.0.1:{port}" for port in free_ports(2))
    site = _substituted(
        (ROOT / "deploy" / "nginx" / "preg.conf").read_text(),
        {
            "server 127.0.0.1:5000;": f"server {upstream};",
            "listen 80;": f"listen {plain};",
            "listen 443 ssl;": f"listen {tls} ssl;",
            "/etc/ssl/certs/registry.example.com.pem": str(files.certificate),
            "/etc/ssl/private/registry.example.com.key": str(files.key),
        },
    )
    folder.mkdir(parents=True)
    (folder / "preg.conf").write_text(site)
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with running(command) as process:
        process.stderr.wait_for(lambda line: "start worker process " in line)
        yield Proxy(tls, plain)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; nginx cannot be told to choose one itself."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _substituted(text: str, replacements: dict[str, str]) -> str:
    for shipped, here in replacements.items():
        assert shipped in text, f"deploy/nginx/preg.conf no longer says {shipped!r}"
        text = text.replace(shipped, here)
    return text
