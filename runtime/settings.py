"""The runtime's settings, in TOML: what short names stand for, and where images are fetched instead.

Read by those commands only that speak to registries. ``deploy/runtime.example.toml`` explains each setting.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from runtime.errors import Fault
from storage.oci.errors import RegistryError
from storage.oci.reference import Reference, parse_name
from storage.oci.shorthand import DEFAULT_REGISTRY
from storage.remote.address import host_of

if TYPE_CHECKING:
    from runtime.config import Config

_HUB: Final = (f"{DEFAULT_REGISTRY}/", "index.docker.io/")


class Mirror(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Hosts that have what a registry has, perhaps below a path."""

    registry: str
    hosts: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    plain_http: bool = False
    insecure: bool = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """All settings."""

    default_registry: str = DEFAULT_REGISTRY
    short_names: dict[str, str] = {}
    mirror: tuple[Mirror, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    certificate_authorities: tuple[str, ...] = ()

    def is_insecure(self, server: str) -> bool:
        """Tell whether HOST[:PORT] is listed as insecure, by its name or, if it is an address, by its network."""
        if server in self.insecure_registries:
            return True
        try:
            address = ipaddress.ip_address(host_of(server).strip("[]"))
        except ValueError:
            return False
        return any("/" in entry and address in ipaddress.ip_network(entry) for entry in self.insecure_registries)

    def resolve(self, text: str) -> Reference:
        """Read an image's name; without a registry it is short. Raises RegistryError if it is none."""
        if not _is_short(text):
            return Reference.parse(text)
        # What is typed behind the name goes over the alias's.
        name, suffix = _part(text)
        if name in self.short_names:
            full, default = _part(self.short_names[name])
            return Reference.parse(full + (suffix or default))
        return Reference.parse(f"{self.default_registry}/{text}")

    def mirrors(self, reference: Reference) -> Iterator[tuple[Reference, Mirror]]:
        """Give the mirrors to ask for an image, one after the other, with the name that it has there."""
        for mirror in self.mirror:
            if mirror.registry == reference.registry:
                for host in mirror.hosts:
                    registry, _, above = host.partition("/")
                    name = parse_name(f"{above}/{reference.name}" if above else reference.name)
                    yield reference._replace(registry=registry, name=name), mirror


def load(here: "Config") -> Settings:
    """Read the settings: those of the person go over those of the host. Raises Fault."""
    tree: dict[str, Any] = {}
    for path in here.settings_files:
        found = _read(path, required=here.settings_required)
        # Each file is checked for itself, so that a fault names it.
        _check(found, path)
        tree["short-names"] = {**tree.get("short-names", {}), **found.pop("short-names", {})}
        for name in ("mirror", "insecure-registries", "certificate-authorities"):
            tree[name] = [*found.pop(name, ()), *tree.get(name, ())]
        tree |= found
    return msgspec.convert(tree, Settings)


def _read(path: str, *, required: bool) -> dict[str, Any]:
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError as error:
        if required:
            raise Fault(f"the settings {path}, which PREG_CONFIG names, are not there") from error
        return {}
    import tomllib  # noqa: PLC0415 - slow, and most hosts have no settings

    try:
        return tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Fault(f"the settings {path} are no TOML: {error}") from error


def _check(tree: dict[str, Any], path: str) -> None:
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise Fault(f"the settings {path} cannot be used: {error}") from error
    for name, full in settings.short_names.items():
        if not _is_alias(name, full):
            raise Fault(f"the settings {path}: short-names {name!r} = {full!r}: it is NAME = REGISTRY/NAME[:TAG]")
    hosts = [settings.default_registry, *(mirror.registry for mirror in settings.mirror)]
    if any("/" in host or not _is_registry(host) for host in hosts):
        raise Fault(f"the settings {path}: a registry is HOST or HOST:PORT, not all of {', '.join(hosts)}")
    for host in (host for mirror in settings.mirror for host in mirror.hosts):
        if not _is_registry(host):
            raise Fault(f"the settings {path}: mirror hosts {host!r}: it is HOST[:PORT][/PATH]")
    _check_trust(settings, path)


def _check_trust(settings: Settings, path: str) -> None:
    for entry in settings.insecure_registries:
        if not (_is_network(entry) if "/" in entry else _is_registry(entry)):
            raise Fault(f"the settings {path}: insecure-registries {entry!r}: it is HOST[:PORT] or ADDRESS/LENGTH")
    for file in settings.certificate_authorities:
        if not file.startswith("/"):
            raise Fault(f"the settings {path}: certificate-authorities {file!r}: it is the absolute path of a file")


def _is_alias(name: str, full: str) -> bool:
    try:
        Reference.parse(name)
        Reference.parse(full)
    except RegistryError:
        return False
    return _is_short(name) and _part(name)[1] == "" and not _is_short(full)


def _is_short(text: str) -> bool:
    """Tell whether an image's name goes without its registry."""
    return Reference.parse(text).registry == DEFAULT_REGISTRY and not text.startswith(_HUB)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _is_registry(host: str) -> bool:
    try:
        return Reference.parse(f"{host}/name").registry == host.partition("/")[0]
    except RegistryError:
        return False


def _part(text: str) -> tuple[str, str]:
    """Part a name from its tag and digest."""
    head, slash, last = text.partition("@")[0].rpartition("/")
    name = f"{head}{slash}{last.partition(':')[0]}"
    return name, text[len(name) :]
