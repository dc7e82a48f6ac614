"""What commands that speak to a registry have in common."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from runtime.cli.options import Option
from runtime.config import Config
from runtime.errors import Fault
from storage.oci.errors import RegistryError
from storage.oci.reference import Reference
from storage.remote.client import RemoteNamespace
from storage.remote.credentials import Credentials
from storage.remote.docker_config import find_credentials

PLAIN_HTTP: Final = Option("--plain-http", "Speak to the registry without TLS; on this host's own addresses always so")

T = TypeVar("T")


def with_registry(
    config: Config,
    reference: Reference,
    work: Callable[[RemoteNamespace], Coroutine[Any, Any, T]],
    *,
    plain_http: bool,
) -> T:
    """Do some work with the registry of a reference, as who this user has logged in there. Raises Fault."""
    with as_faults():
        credentials = find_credentials(config.credential_files, reference.registry, reference.name)
        return asyncio.run(_connected(reference.registry, credentials, work, plain_http=plain_http))


def check_login(registry: str, credentials: Credentials, *, plain_http: bool) -> Credentials | None:
    """Show credentials to a registry, and give what to keep. None if it asks nobody for any. Raises RegistryError."""
    return asyncio.run(_connected(registry, credentials, RemoteNamespace.log_in, plain_http=plain_http))


@contextmanager
def as_faults() -> Iterator[None]:
    """Tell the person at the terminal what went wrong with a registry."""
    try:
        yield
    except RegistryError as fault:
        raise Fault(str(fault)) from fault


async def _connected(
    registry: str,
    credentials: Credentials | None,
    work: Callable[[RemoteNamespace], Coroutine[Any, Any, T]],
    *,
    plain_http: bool,
) -> T:
    namespace = RemoteNamespace(registry, credentials, plain_http=plain_http)
    try:
        return await work(namespace)
    finally:
        await namespace.aclose()
