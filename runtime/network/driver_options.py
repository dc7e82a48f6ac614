"""``--opt`` of a network: what Docker's bridge driver may be told."""

from runtime.errors import UsageError
from runtime.network.networks import BridgeOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

NAME: "Final" = "com.docker.network.bridge.name"
ICC: "Final" = "com.docker.network.bridge.enable_icc"
MASQUERADE: "Final" = "com.docker.network.bridge.enable_ip_masquerade"
HOST_BINDING: "Final" = "com.docker.network.bridge.host_binding_ipv4"
MTU: "Final" = "com.docker.network.driver.mtu"
_TRUE: "Final" = ("true", "1", "t", "T", "TRUE", "True")
_FALSE: "Final" = ("false", "0", "f", "F", "FALSE", "False")
#: What the kernel takes: an Ethernet frame's least, and what fits into an IPv4 packet.
_MTUS: "Final" = range(68, 65536)
_LONGEST_NAME: "Final" = 15


def read_options(options: dict[str, str]) -> BridgeOptions:
    """Read what was asked for by Docker's names. Raises UsageError."""
    for name in options:
        if name not in (NAME, ICC, MASQUERADE, HOST_BINDING, MTU):
            raise UsageError(
                f"--opt {name}: the bridge driver has {NAME}, {ICC}, {MASQUERADE}, {HOST_BINDING} and {MTU}"
            )
    return BridgeOptions(
        name=_read_name(options),
        icc=_read_boolean(options, ICC),
        masquerade=_read_boolean(options, MASQUERADE),
        host_address=_read_host_address(options),
        mtu=_read_mtu(options),
    )


def split(texts: "Iterable[str]") -> dict[str, str]:
    """Read ``NAME=VALUE`` each; of two with one name the later counts."""
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _read_name(options: dict[str, str]) -> str:
    name = options.get(NAME)
    if name is None:
        return ""
    allowed = name.isascii() and name.isprintable() and not any(letter in " /:%" for letter in name)
    if not 0 < len(name) <= _LONGEST_NAME or name in (".", "..") or not allowed:
        raise UsageError(f"--opt {NAME}={name}: an interface's name has at most 15 characters, and no / : % or spaces")
    return name


def _read_boolean(options: dict[str, str], name: str) -> bool:
    value = options.get(name, "true")
    if value not in (*_TRUE, *_FALSE):
        raise UsageError(f"--opt {name}={value}: it is true or false")
    return value in _TRUE


def _read_host_address(options: dict[str, str]) -> str:
    from runtime.network.addresses import read_address, show  # noqa: PLC0415 - few networks have one

    return show(read_address(options[HOST_BINDING], f"--opt {HOST_BINDING}")) if HOST_BINDING in options else ""


def _read_mtu(options: dict[str, str]) -> int:
    text = options.get(MTU, "")
    if text and not (text.isascii() and text.isdecimal() and int(text) in _MTUS):
        raise UsageError(f"--opt {MTU}={text}: it is a number from {_MTUS[0]} to {_MTUS[-1]}")
    return int(text or 0)
