"""What commands that speak to a registry have in common."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from runtime.cli.naming import read_reference
from runtime.cli.options import Option
from runtime.config import Config
from runtime.errors import Fault
from runtime.settings import Source, load
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
    verify: bool = True,
) -> T:
    """Do some work with the registry of a reference, as who this user has logged in there. Raises Fault."""
    with as_faults():
        credentials = find_credentials(map(Path, config.credential_files), reference.registry, reference.name)
        return asyncio.run(_connected(reference.registry, credentials, work, plain_http=plain_http, verify=verify))


def resolve(config: Config, text: str) -> Reference:
    """Read the name of an image that is to be fetched or sent; the settings say what short ones mean. Raises Fault."""
    read_reference(text)
    with as_faults():
        return load(config).resolve(text)


def fetch_from(
    config: Config,
    reference: Reference,
    work: Callable[[RemoteNamespace, Reference], Coroutine[Any, Any, T]],
    *,
    plain_http: bool,
) -> T:
    """Do some work with the first that can do it of a registry's mirrors and itself.

    The work is given the name that the image has there. Raises Fault.
    """
    for source in load(config).sources(reference):
        try:
            return _ask(config, source, work)
        except Fault as fault:
            passed = source.reference.registry
            sys.stderr.write(f"preg: the mirror {passed} is passed over: {' '.join(str(fault).split())}\n")
    return _ask(config, Source(reference, plain_http), work)


def _ask(config: Config, source: Source, work: Callable[[RemoteNamespace, Reference], Coroutine[Any, Any, T]]) -> T:
    there = source.reference
    return with_registry(
        config, there, lambda space: work(space, there), plain_http=source.plain_http, verify=source.verify
    )


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
    verify: bool = True,
) -> T:
    namespace = RemoteNamespace(registry, credentials, plain_http=plain_http, verify=verify)
    try:
        return await work(namespace)
    finally:
        await namespace.aclose()
