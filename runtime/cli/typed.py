"""Docker's types of what ``inspect`` tells: templates take a map for other than a record, and one nil for other."""

from __future__ import annotations

from runtime.gotemplate.values import Map, Moment, Nil, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

_SLICE: Final = Nil("slice", "[]string")
_MAP: Final = Nil("map", "map[string]string")
#: Fields that are maps, with what looking up a key that they lack gives.
_MAPS: Final = {
    **dict.fromkeys(
        (
            *("Annotations", "Attributes", "AuxiliaryAddresses", "Data", "DriverOpts", "Labels", "Options"),
            *("StorageOpt", "Sysctls", "Tmpfs"),
        ),
        "",
    ),
    **dict.fromkeys(("ExposedPorts", "Volumes", "Containers", "Runtimes"), Struct()),
    **dict.fromkeys(("PortBindings", "Ports"), _SLICE),
    "Networks": Nil("ptr", "*network.EndpointSettings"),
}
#: Fields that are pointers, which are null where others are empty.
_POINTERS: Final = {
    "GraphDriver": "*storage.DriverData",
    "Health": "*container.Health",
    "Healthcheck": "*container.HealthConfig",
    "Init": "*bool",
    "MemorySwappiness": "*int64",
    "OomKillDisable": "*bool",
    "PidsLimit": "*int64",
    "SizeRootFs": "*int64",
    "SizeRw": "*int64",
    "StopTimeout": "*int",
    "IPAMConfig": "*network.EndpointIPAMConfig",
    "UsageData": "*volume.UsageData",
}
_NO_CONFIG: Final = {
    **{name: Nil("ptr", _POINTERS[name]) for name in ("Healthcheck", "StopTimeout")},
    **dict.fromkeys(("Cmd", "Entrypoint", "Env", "OnBuild", "Shell"), _SLICE),
    **dict.fromkeys(("ExposedPorts", "Labels", "Volumes"), _MAP),
    **dict.fromkeys(("Domainname", "Hostname", "Image", "MacAddress", "StopSignal", "User", "WorkingDir"), ""),
    **dict.fromkeys(("ArgsEscaped", "AttachStderr", "AttachStdin", "AttachStdout", "NetworkDisabled"), False),
    **dict.fromkeys(("OpenStdin", "StdinOnce", "Tty"), False),
}
#: What fields are called in Go, where templates may have that name as well as that of JSON.
_GO_NAMES: Final = {
    "ApiVersion": "APIVersion",
    "CpuPeriod": "CPUPeriod",
    "CpuQuota": "CPUQuota",
    "CpuRealtimePeriod": "CPURealtimePeriod",
    "CpuRealtimeRuntime": "CPURealtimeRuntime",
    "CpuShares": "CPUShares",
    "CpuCfsPeriod": "CPUCfsPeriod",
    "CpuCfsQuota": "CPUCfsQuota",
    "Dns": "DNS",
    "DnsOptions": "DNSOptions",
    "DnsSearch": "DNSSearch",
    "HttpProxy": "HTTPProxy",
    "HttpsProxy": "HTTPSProxy",
    "Id": "ID",
    "NanoCpus": "NanoCPUs",
}
#: What the fields of a record are that JSON leaves out, by the name of the record.
_LEFT_OUT: Final[Mapping[str, Mapping[str, Any]]] = {
    "State": {"Health": Nil("ptr", _POINTERS["Health"])},
    "Config": _NO_CONFIG,
    "IPAM.Config": {**dict.fromkeys(("Gateway", "IPRange"), ""), "AuxiliaryAddresses": _MAP},
    "Mounts": dict.fromkeys(("Driver", "Name", "Source"), ""),
    "Healthcheck": {"Test": _SLICE, **dict.fromkeys(("Interval", "Retries", "StartPeriod", "Timeout"), 0)},
    "": {
        "Author": "",
        "Comment": "",
        "Variant": "",
        "SizeRw": Nil("ptr", "*int64"),
        "SizeRootFs": Nil("ptr", "*int64"),
    },
}


def typed(value: Any, name: str = "", owner: str = "") -> Any:
    """Give a document, or the field of that name of another, the types that it has with Docker."""
    if isinstance(value, dict):
        return (
            _typed_map(value, name)
            if name in _MAPS or (owner, name) == ("LogConfig", "Config")
            else _record(value, "IPAM.Config" if (owner, name) == ("IPAM", "Config") else name)
        )
    if isinstance(value, list):
        return [typed(item, name, owner) for item in value]
    if value is not None:
        return value
    if name in _POINTERS:
        return Nil("ptr", _POINTERS[name])
    return _MAP if name in _MAPS else _SLICE


def _typed_map(value: Mapping[str, Any], name: str) -> Map:
    found = Map({key: typed(item, f"{name}[]", name) for key, item in value.items()})
    found.zero = _MAPS.get(name, "")
    return found


def _record(value: Mapping[str, Any], name: str) -> Struct:
    found = Struct({key: typed(item, key, name) for key, item in value.items()})
    found.zeros = {**_LEFT_OUT.get(name, {}), **{_GO_NAMES[key]: found[key] for key in found if key in _GO_NAMES}}
    if not name and "IPAM" in found:  # a network, whose time is one
        found["Created"] = Moment(_as_go(found["Created"]), found["Created"])
    return found


def _as_go(time: str) -> str:
    """Write a time of RFC 3339 as Go prints it."""
    return f"{time.replace('T', ' ').removesuffix('Z')} +0000 UTC"
