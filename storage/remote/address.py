"""Registries as people type them: ``HOST`` or ``HOST:PORT``."""

import ipaddress


def is_loopback(registry: str) -> bool:
    """Tell whether a registry can only be this host, which alone is spoken to without TLS unasked."""
    host, _, port = registry.rpartition(":")
    host = host if port.isdigit() and host else registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
