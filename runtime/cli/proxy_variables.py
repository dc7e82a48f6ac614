"""The variables by which containers know of a proxy: ``proxies`` in Docker's ``config.json``, as docker passes them."""

from __future__ import annotations

from runtime.errors import Fault
from runtime.lean import from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

_VARIABLES: Final = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "noProxy": "NO_PROXY",
    "ftpProxy": "FTP_PROXY",
    "allProxy": "ALL_PROXY",
}


def read_proxies(raw: bytes, path: str, given: Sequence[str]) -> tuple[str, ...]:
    """Read what the file says of variables but those given, as ``NAME=VALUE`` or ``NAME``. Raises Fault."""
    try:
        settings = (from_json(raw).get("proxies") or {}).get("default") or {}
        values = {name: settings[key] for key, name in _VARIABLES.items() if settings.get(key)}
    except (ValueError, AttributeError) as error:
        raise Fault(f"{path}: its proxies are not as docker has them") from error
    wrong = [name for name, value in values.items() if not isinstance(value, str) or "\0" in value]
    if wrong:
        raise Fault(f"{path}: its proxies have no text for {wrong[0]}")
    # In upper case and in lower case, for programs look for either.
    found = {written: value for name, value in values.items() for written in (name, name.lower())}
    known = {variable.partition("=")[0] for variable in given}
    return tuple(f"{name}={value}" for name, value in found.items() if name not in known)
