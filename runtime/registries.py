"""How this user reaches registries: by the settings, certificates of docker and containerd, proxies, and options."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runtime.config import Config
from runtime.settings import Settings
from storage.oci.reference import Reference
from storage.remote.address import host_of, is_loopback
from storage.remote.certificate_folder import Certificates, find_certificates
from storage.remote.endpoint import Endpoint, choose_schemes
from storage.remote.proxies import Proxies
from storage.remote.tls import Tls

if TYPE_CHECKING:
    from storage.remote.containerd_hosts import Host, Hosts


class Access(NamedTuple):
    """What was asked for by ``--plain-http`` and ``--tls-verify``; None is for what was not given."""

    plain_http: bool | None = None
    tls_verify: bool | None = None

    @property
    def is_strict(self) -> bool:
        """Tell whether TLS with a good certificate is insisted on."""
        return bool(self.tls_verify) or (self.plain_http is False and self.tls_verify is None)


class Source(NamedTuple):
    """Where an image is asked for, and by which name."""

    reference: Reference
    endpoint: Endpoint


class Registries:
    """Registries as this user reaches them. What was found out of one is remembered for the next request."""

    def __init__(self, config: Config, settings: Settings, proxies: Proxies, access: Access) -> None:
        self._config = config
        self._settings = settings
        self._proxies = proxies
        self._access = access
        self._known: dict[str, Endpoint] = {}

    def endpoint(self, registry: str) -> Endpoint:
        """Describe the registry itself. Raises RegistryError."""
        if registry not in self._known:
            hosts = self._hosts(registry)
            self._known[registry] = self._describe(registry, self._access, hosts.server if hosts is not None else None)
        return self._known[registry]

    def sources(self, reference: Reference) -> Iterator[Source]:
        """Say where to ask for an image, one after the other: mirrors first, its own registry last.

        Raises RegistryError.
        """
        for there, mirror in self._settings.mirrors(reference):
            access = Access(plain_http=mirror.plain_http or None)
            yield Source(there, self._describe(there.registry, access, insecure=mirror.insecure))
        wanted = {"pull"} if reference.digest is not None else {"pull", "resolve"}
        for host in hosts.before if (hosts := self._hosts(reference.registry)) else ():
            if wanted <= host.capabilities:
                yield Source(reference, self._mirror(reference.registry, host))
        yield Source(reference, self.endpoint(reference.registry))

    def _mirror(self, registry: str, host: "Host") -> Endpoint:
        """Describe a host that containerd asks before the registry, and that it tells which one it stands for."""
        endpoint = self._describe(host.address, Access(), host)
        endpoint.namespace = registry
        return endpoint

    def _describe(
        self, registry: str, access: Access, host: "Host | None" = None, *, insecure: bool = False
    ) -> Endpoint:
        insecure = insecure or is_loopback(registry) or self._settings.is_insecure(registry)
        schemes, verify = choose_schemes(insecure=insecure, plain_http=access.plain_http, tls_verify=access.tls_verify)
        endpoint = Endpoint(registry, schemes)
        authorities = self._settings.certificate_authorities
        if host is not None:
            if access.plain_http is None and host.scheme:
                endpoint.schemes = (host.scheme,)
            endpoint.where, endpoint.path, endpoint.headers = host.address, host.path, host.headers
            authorities = (*authorities, *host.authorities)
            verify = verify and not (host.skip_verify and not access.is_strict)
        endpoint.plain_tokens = "http" in endpoint.schemes and (bool(access.plain_http) or not is_loopback(registry))
        endpoint.proxies = self._proxies
        found = self._certificates(registry)
        endpoint.tls = Tls(
            (*authorities, *found.authorities),
            (host.client if host is not None else None) or found.client,
            self._insecurity(endpoint, access, verify=verify),
            str(self._folder(registry)),
        )
        return endpoint

    def _insecurity(self, endpoint: Endpoint, access: Access, *, verify: bool) -> Callable[[str], bool]:
        """Choose the servers whose certificates are not checked: a token server may be another than the registry."""
        if access.tls_verify is False:
            return lambda _: True
        if access.is_strict:
            return lambda _: False
        own = "" if verify else host_of(endpoint.host)
        return lambda server: host_of(server) == own or self._settings.is_insecure(server)

    def _hosts(self, registry: str) -> "Hosts | None":
        folders = [Path(folder) for folder in self._config.hosts_folders if os.path.isdir(folder)]
        if not folders:
            return None
        from storage.remote.containerd_hosts import find_hosts  # noqa: PLC0415 - slow, and most hosts have none

        return find_hosts(folders, registry)

    def _certificates(self, registry: str) -> Certificates:
        return find_certificates(Path(folder, registry) for folder in self._config.certificate_folders)

    def _folder(self, registry: str) -> Path:
        """Choose where a certificate for a registry is best put: where there are some already."""
        folders = [Path(folder, registry) for folder in self._config.certificate_folders]
        return next((folder for folder in folders if folder.is_dir()), folders[0])
