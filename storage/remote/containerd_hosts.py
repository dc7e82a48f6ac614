"""Hosts of a registry as containerd is told of them: ``certs.d/HOST:PORT/hosts.toml`` (its docs/hosts.md)."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from storage.oci.errors import RegistryError
from storage.remote.tls import ClientCertificate

#: The directory for registries that have none of their own.
_DEFAULT: Final = "_default"
_ALL: Final = ("pull", "resolve", "push")


class HostsUnreadable(RegistryError):
    """A ``hosts.toml`` cannot be understood."""


class _Table(msgspec.Struct):
    """What is said of a host. Of what else containerd knows there is nothing that we need."""

    capabilities: list[str] | None = None
    ca: str | list[str] = []
    client: str | list[str | list[str]] = []
    skip_verify: bool = False
    override_path: bool = False
    header: dict[str, str | list[str]] = {}


class _File(_Table):
    server: str = ""
    host: dict[str, _Table] = {}


class Host(NamedTuple):
    """A place where a registry's content is."""

    scheme: str
    address: str
    """HOST[:PORT]; empty for the registry itself."""
    path: str
    capabilities: frozenset[str]
    authorities: tuple[str, ...]
    client: ClientCertificate | None
    skip_verify: bool
    headers: Mapping[str, str]


class Hosts(NamedTuple):
    """The hosts that are asked before the registry, in this order, and what is said of itself."""

    before: tuple[Host, ...] = ()
    server: Host | None = None


def find_hosts(folders: Iterable[Path], registry: str) -> Hosts:
    """Read the first ``hosts.toml`` that there is for a registry. Raises HostsUnreadable."""
    for folder in folders:
        for directory in (folder / name for name in _names(registry)):
            try:
                raw = (directory / "hosts.toml").read_bytes()
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            return _read(raw, directory)
    return Hosts()


def _names(registry: str) -> Iterator[str]:
    host, colon, port = registry.rpartition(":")
    if colon:
        yield f"{host}_{port}_"
    yield registry
    yield _DEFAULT


def _read(raw: bytes, directory: Path) -> Hosts:
    path = directory / "hosts.toml"
    try:
        content: dict[str, Any] = tomllib.loads(raw.decode())
        file = msgspec.convert(content, _File)
        before = tuple(_host(url or "//", table, directory) for url, table in file.host.items())
        return Hosts(before, _host(file.server, file, directory))
    except (ValueError, msgspec.ValidationError) as error:
        raise HostsUnreadable(f"{path} cannot be used: {error}") from error


def _host(url: str, table: _Table, directory: Path) -> Host:
    parts = urlsplit(url if "://" in url or not url else f"https://{url}")
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError(f"{url!r} is no URL of HTTP")
    path = parts.path.rstrip("/")
    return Host(
        parts.scheme,
        parts.netloc.rpartition("@")[2],
        path if table.override_path or path.endswith("/v2") else f"{path}/v2",
        frozenset(_ALL if table.capabilities is None else table.capabilities),
        tuple(str(directory / file) for file in _listed(table.ca)),
        _client(table.client, directory),
        table.skip_verify,
        {name: ", ".join(_listed(value)) for name, value in table.header.items()},
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _client(value: str | list[str | list[str]], directory: Path) -> ClientCertificate | None:
    """Take the first: the name of a file that has the key as well, or a pair of names."""
    first = value if isinstance(value, str) else next(iter(value), "")
    names = [name for name in ([first] if isinstance(first, str) else first) if name]
    return ClientCertificate(str(directory / names[0]), str(directory / names[-1])) if names else None
