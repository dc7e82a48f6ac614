"""The composition root: settings become a running server."""

import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING, Final

from aiohttp import web

from auth.errors import AuthUnavailable
from registry.admission import is_open_to_all, open_admission
from registry.http.api import Api
from registry.http.redirects import NO_REDIRECTS, Redirects
from registry.http.server import HttpServer
from registry.storage import open_storage, shown
from registry.tls import Certificates
from storage.errors import StorageError
from storage.local import LocalNamespace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from auth.refresh import RefreshTokens
    from registry.config import Config

_LOG: Final = logging.getLogger("preg.serve")
_PURGE_EVERY: Final = 3600.0
_BACKLOG: Final = 1024
#: How long a request has to end after a second signal, in seconds.
_LAST_WORDS: Final = 1.0


async def serve(config: "Config") -> None:
    """Serve until SIGTERM or SIGINT; then let running transfers finish, and drop them at a second signal.

    Prints one line on standard output when connections are accepted. Raises ConfigError, AuthMisconfigured and
    StorageError, and OSError where the address cannot be listened on.
    """
    certificates = Certificates(config.tls) if config.tls.certificate else None
    store = await open_storage(config.storage.url)
    namespace = LocalNamespace(store, sparse=config.validation.sparse)
    redirect = config.redirect
    redirects = Redirects(redirect.lifetime, redirect.except_user_agents) if redirect.enabled else NO_REDIRECTS
    admission = await open_admission(config, store)
    server = HttpServer(Api(namespace, redirects, admission.access, admission.beside), access_log=config.log.access)
    runner = web.ServerRunner(server, shutdown_timeout=config.server.shutdown_timeout)
    await runner.setup()
    stop = _signals()
    housekeeping = asyncio.create_task(_keep_house(namespace, config.uploads.expire_after, admission.refresh_tokens))
    try:
        address = await _listen(runner, config.server.listen, certificates)
        scheme = "https" if certificates else "http"
        sys.stdout.write(f"preg serves {scheme}://{address} from {shown(config.storage.url)}\n")
        sys.stdout.flush()
        if is_open_to_all(config):
            _LOG.warning(
                "everybody who reaches %s may pull, push and delete everything: set a mode in [auth],"
                " or listen on 127.0.0.1 only",
                config.server.listen,
            )
        await stop.wait()
        stop.clear()
        _LOG.info("stopping: no new connection is taken, running transfers may finish")
        await _first_of(runner.cleanup(), stop.wait())
        # What still runs after a second signal is cancelled, and puts away what it holds.
        await server.shutdown(_LAST_WORDS)
    finally:
        housekeeping.cancel()
        await namespace.aclose()


def _signals() -> asyncio.Event:
    """Make an event that SIGTERM and SIGINT set."""
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


async def _listen(runner: web.ServerRunner, listen: str, certificates: Certificates | None) -> str:
    """Begin to accept connections; give the address, with the port that the kernel chose for 0."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    context = certificates.context if certificates else None
    await web.TCPSite(runner, host or None, int(port), backlog=_BACKLOG, ssl_context=context).start()
    bound = runner.addresses[0][1]
    return f"[{host}]:{bound}" if ":" in host else f"{host or 'localhost'}:{bound}"


async def _first_of(*coroutines: "Coroutine[object, object, object]") -> None:
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


async def _keep_house(namespace: LocalNamespace, idle: float, refresh_tokens: "RefreshTokens | None") -> None:
    """Drop abandoned upload sessions and what is kept of expired logins, now and every hour."""
    while True:
        await _purge("abandoned uploads", namespace.purge_uploads(idle=idle))
        if refresh_tokens is not None:
            await _purge("expired logins", refresh_tokens.purge())
        await asyncio.sleep(_PURGE_EVERY)


async def _purge(what: str, purging: "Awaitable[int]") -> None:
    try:
        count = await purging
    except (StorageError, AuthUnavailable) as error:
        _LOG.warning("%s could not be dropped: %s", what, error)
    else:
        if count:
            _LOG.info("dropped %d %s", count, what)
