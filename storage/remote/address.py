"""Registries as people type them: ``HOST`` or ``HOST:PORT``."""

import ipaddress


def is_loopback(registry: str) -> bool:
    """Tell whether a registry can only be this host, which alone is spoken to without TLS unasked."""
    host = host_of(registry)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(registry: str) -> str:
    """Give the host of HOST[:PORT]."""
    host, _, port = registry.rpartition(":")
    return host if port.isdigit() and host else registry
