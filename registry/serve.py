"""The composition root: settings become a running server."""

import asyncio
import gc
import logging
import signal
import sys
from typing import TYPE_CHECKING, Final

from auth.errors import AuthUnavailable
from registry.admission import is_open_to_all, open_admission
from registry.http.api import Api
from registry.http.connections import ConnectionLimit, Listener, allow_connections, bind
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
    limit = ConnectionLimit(allow_connections())
    api = Api(namespace, redirects, admission.access, admission.beside)
    server = HttpServer(api, limit, access_log=config.log.access)
    stop = _signals()
    housekeeping = asyncio.create_task(_keep_house(namespace, config.uploads.expire_after, admission.refresh_tokens))
    try:
        listener = await _listen(server, config.server.listen, certificates)
        address = f"{config.server.listen.rpartition(':')[0] or 'localhost'}:{listener.port}"
        scheme = "https" if certificates else "http"
        _spare_collector()
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
        listener.close()
        # Requests that have come are begun.
        await asyncio.sleep(0)
        server.pre_shutdown()
        await _first_of(server.shutdown(config.server.shutdown_timeout), stop.wait())
        # What still runs after a second signal is cancelled, and puts away what it holds.
        await server.shutdown(_LAST_WORDS)
    finally:
        housekeeping.cancel()
        await namespace.aclose()


def _spare_collector() -> None:
    """Let the garbage collector pass over what is there from the start: it would keep all waiting for 30 ms, often."""
    gc.collect()
    gc.freeze()


def _signals() -> asyncio.Event:
    """Make an event that SIGTERM and SIGINT set."""
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


async def _listen(server: HttpServer, listen: str, certificates: Certificates | None) -> Listener:
    """Begin to accept connections."""
    host, _, port = listen.rpartition(":")
    sockets = await bind(host.strip("[]"), int(port))
    return Listener(sockets, server.limit, server, certificates.context if certificates else None)


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
