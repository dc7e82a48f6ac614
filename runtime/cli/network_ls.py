"""``preg network ls``: list the networks."""

import sys
from typing import Any, Final

from runtime.cli.labels import has_label, show_labels
from runtime.cli.name_filter import fits_name
from runtime.cli.options import Option, Options, Usage
from runtime.cli.table import FORMAT, print_records
from runtime.cli.targets import networks
from runtime.cli.times import show_exact_time
from runtime.errors import UsageError
from runtime.network.networks import PREDEFINED, Network
from runtime.network.plan import DEFAULT

_FIELDS: Final = ("ID", "Name", "Driver", "Scope", "IPv4", "IPv6", "Internal", "Labels", "CreatedAt")
_COLUMNS: Final = {"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE"}
_KEYS: Final = ("id", "name", "driver", "label", "type")
USAGE: Final = Usage(
    "network ls [OPTION...]",
    "List the networks of this host.",
    (
        Option("--quiet", "Print IDs alone", short="-q"),
        Option("--no-trunc", "Print whole IDs"),
        Option(
            "--filter", "List those that have id, name, driver, label or type (custom, builtin) so", "KEY=VALUE", "-f"
        ),
        FORMAT,
    ),
    notes=f"""
Fields: {", ".join(_FIELDS)}.

Examples:
  preg network ls --filter type=custom
  preg network ls --format '{{{{.Name}}}} {{{{.Driver}}}}'
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    filters = _read_filters(options)
    known = networks()
    known.default()
    found = [(_show(network), network.labels) for network in known]
    found += [(_show_predefined(name, identifier), {}) for name, identifier in PREDEFINED.items()]
    records = [record for record, labels in found if all(_is(record, labels, *each) for each in filters)]
    records.sort(key=lambda record: record["Name"])
    if "--no-trunc" not in options:
        records = [{**record, "ID": record["ID"][:12]} for record in records]
    if "--quiet" in options:
        sys.stdout.writelines(f"{record['ID']}\n" for record in records)
    else:
        print_records(records, _FIELDS, _COLUMNS, options.last("--format"))
    return 0


def _show(network: Network) -> dict[str, Any]:
    return {
        "ID": network.id,
        "Name": network.name,
        "Driver": "bridge",
        "Scope": "local",
        "IPv4": "true",
        "IPv6": "false",
        "Internal": str(network.internal).lower(),
        "Labels": show_labels(network.labels),
        "Label": network.labels,
        "CreatedAt": show_exact_time(network.created),
    }


def _show_predefined(name: str, identifier: str) -> dict[str, Any]:
    driver, labels = "null" if name == "none" else name, dict[str, str]()
    record = {"ID": identifier, "Name": name, "Driver": driver, "Scope": "local", "Labels": "", "Label": labels}
    return record | {"IPv4": "true", "IPv6": "false", "Internal": "false", "CreatedAt": show_exact_time(0)}


def _read_filters(options: Options) -> list[tuple[str, str]]:
    filters = options.pairs("--filter", _KEYS)
    for key, value in filters:
        if key == "type" and value not in ("custom", "builtin"):
            raise UsageError(f"--filter {key}={value}: the type is custom or builtin")
    return filters


def _is(record: dict[str, Any], labels: dict[str, str], key: str, value: str) -> bool:
    if key == "id":
        return str(record["ID"]).startswith(value)
    if key == "name":
        return fits_name(record["Name"], value)
    if key == "driver":
        return bool(record["Driver"] == value)
    if key == "type":
        return (record["Name"] in (DEFAULT, *PREDEFINED)) == (value == "builtin")
    return has_label(labels, value)
