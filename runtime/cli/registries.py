"""What commands that speak to a registry have in common."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from runtime.cli.naming import read_reference
from runtime.cli.options import Options
from runtime.cli.shared_options import PLAIN_HTTP, TLS_VERIFY
from runtime.config import Config, proxies
from runtime.errors import Fault, UsageError
from runtime.registries import Access, Registries, Source
from runtime.settings import load
from storage.oci.errors import RegistryError
from storage.oci.reference import Reference
from storage.remote.client import RemoteNamespace
from storage.remote.credentials import Credentials
from storage.remote.docker_config import find_credentials
from storage.remote.endpoint import Endpoint

#: What commands that speak to a registry take.
ACCESS_OPTIONS: Final = (PLAIN_HTTP, TLS_VERIFY)

T = TypeVar("T")


def open_registries(config: Config, options: Options) -> Registries:
    """Read how registries are reached. Raises Fault."""
    return Registries(config, load(config), proxies(), read_access(options))


def read_access(options: Options) -> Access:
    """Read the options. Raises UsageError."""
    given = {name: name in options if options.all(name) else None for name in ("--plain-http", "--tls-verify")}
    access = Access(given["--plain-http"], given["--tls-verify"])
    if access.plain_http and access.tls_verify:
        raise UsageError("--plain-http and --tls-verify exclude each other")
    return access


def resolve(config: Config, text: str) -> Reference:
    """Read the name of an image that is to be fetched or sent; the settings say what short ones mean. Raises Fault."""
    read_reference(text)
    with as_faults():
        return load(config).resolve(text)


def fetch_from(
    config: Config,
    registries: Registries,
    reference: Reference,
    work: Callable[[RemoteNamespace, Reference], Coroutine[Any, Any, T]],
) -> T:
    """Do some work with the first that can do it of a registry's mirrors and itself.

    The work is given the name that the image has there. Raises Fault.
    """
    with as_faults():
        *mirrors, own = registries.sources(reference)
    for source in mirrors:
        try:
            return _ask(config, source, work)
        except Fault as fault:
            passed = source.endpoint.registry
            sys.stderr.write(f"preg: the mirror {passed} is passed over: {' '.join(str(fault).split())}\n")
    return _ask(config, own, work)


def send_to(
    config: Config,
    registries: Registries,
    reference: Reference,
    work: Callable[[RemoteNamespace], Coroutine[Any, Any, T]],
) -> T:
    """Do some work with the registry of a reference. Raises Fault."""
    with as_faults():
        source = Source(reference, registries.endpoint(reference.registry))
    return _ask(config, source, lambda space, _: work(space))


def check_login(registries: Registries, registry: str, credentials: Credentials) -> Credentials | None:
    """Show credentials to a registry, and give what to keep. None if it asks nobody for any. Raises RegistryError."""
    return asyncio.run(_connected(registries.endpoint(registry), credentials, RemoteNamespace.log_in))


def _ask(config: Config, source: Source, work: Callable[[RemoteNamespace, Reference], Coroutine[Any, Any, T]]) -> T:
    """Do some work as who this user has logged in as there."""
    there, endpoint = source
    with as_faults():
        credentials = find_credentials(map(Path, config.credential_files), endpoint.registry, there.name)
        return asyncio.run(_connected(endpoint, credentials, lambda space: work(space, there)))


@contextmanager
def as_faults() -> Iterator[None]:
    """Tell the person at the terminal what went wrong with a registry."""
    try:
        yield
    except RegistryError as fault:
        raise Fault(str(fault)) from fault


async def _connected(
    endpoint: Endpoint,
    credentials: Credentials | None,
    work: Callable[[RemoteNamespace], Coroutine[Any, Any, T]],
) -> T:
    namespace = RemoteNamespace(endpoint, credentials)
    try:
        return await work(namespace)
    finally:
        await namespace.aclose()
