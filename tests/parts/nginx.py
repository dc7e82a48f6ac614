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
    with _held_address() as tls, _held_address() as plain:
        site = _substituted(
            (ROOT / "deploy" / "nginx" / "preg.conf").read_text(),
            {
                "server 127.0.0.1:5000;": f"server {upstream};",
                "listen 80;": f"listen {plain} reuseport;",
                "listen 443 ssl;": f"listen {tls} ssl reuseport;",
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


@contextlib.contextmanager
def _held_address() -> Iterator[str]:
    """HOST:PORT for nginx, which cannot choose a port itself: nobody else is given it, for it is taken here as well."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def _substituted(text: str, replacements: dict[str, str]) -> str:
    for shipped, here in replacements.items():
        assert shipped in text, f"deploy/nginx/preg.conf no longer says {shipped!r}"
        text = text.replace(shipped, here)
    return text
