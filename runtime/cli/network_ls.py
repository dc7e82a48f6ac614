"""``preg network ls``: list the networks."""

import sys
from typing import Any, Final

from runtime.cli.filters import BOOLEAN, fits_labels, fits_name, is_true, passes, read_filters
from runtime.cli.labels import show_labels
from runtime.cli.options import Option, Usage
from runtime.cli.table import FORMAT, print_records
from runtime.cli.targets import here, networks
from runtime.cli.times import show_exact_time
from runtime.network import entries
from runtime.network.networks import PREDEFINED, Network
from runtime.network.plan import DEFAULT

_FIELDS: Final = ("ID", "Name", "Driver", "Scope", "IPv4", "IPv6", "Internal", "Labels", "CreatedAt")
_COLUMNS: Final = {"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE"}
_KEYS: Final = ("id", "name", "driver", "scope", "label", "type", "dangling")
_CHOICES: Final = {"type": ("custom", "builtin"), "dangling": BOOLEAN}
USAGE: Final = Usage(
    "network ls [OPTION...]",
    "List the networks of this host.",
    (
        Option("--quiet", "Print IDs alone", short="-q"),
        Option("--no-trunc", "Print whole IDs"),
        Option("--filter", f"Filter by {', '.join(_KEYS)}; type is custom or builtin", "KEY=VALUE", "-f", _KEYS),
        FORMAT._replace(choices=_FIELDS),
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
    filters = read_filters(options, _KEYS, _CHOICES)
    known = networks()
    known.default()
    found = [(_show(network), network.labels) for network in known]
    found += [(_show_predefined(name, identifier), {}) for name, identifier in PREDEFINED.items()]
    used = set[str]()
    if any(key == "dangling" for key, _ in filters):
        here()  # without those that have been killed
        used = {network for network in entries.networks(known.state) if entries.entries(known.state, network)}

    def is_asked_for(record: dict[str, str], labels: dict[str, str]) -> bool:
        return passes(filters, lambda key, value: _is(record, labels, key, value, used=record["ID"] in used))

    records = [record for record, labels in found if is_asked_for(record, labels)]
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


def _is(record: dict[str, Any], labels: dict[str, str], key: str, value: str, *, used: bool) -> bool:
    builtin = record["Name"] in (DEFAULT, *PREDEFINED)
    if key == "id":
        return str(record["ID"]).startswith(value)
    if key == "name":
        return fits_name(record["Name"], value)
    if key in ("driver", "scope"):
        return bool(record[key.capitalize()] == value)
    if key == "type":
        return builtin == (value == "builtin")
    if key == "dangling":
        return (used or builtin) != is_true(value)
    return fits_labels(labels, key, value)
