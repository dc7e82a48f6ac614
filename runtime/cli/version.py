"""``preg version``: which preg this is."""

import os
import platform
import sys
from importlib import metadata
from typing import Any, Final

from runtime import config, host
from runtime.cli.options import Usage
from runtime.cli.table import DOCUMENT_FORMAT, print_document, wants
from runtime.platforms import this_host

USAGE: Final = Usage(
    "version [OPTION...]",
    "Tell which preg this is, and what it runs on, in Docker's form. Its client and its server are one program.",
    (DOCUMENT_FORMAT,),
    notes="""
Examples:
  preg version
  preg version --format '{{.Server.Version}}'
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    form = USAGE.parse(arguments).last("--format")
    # Runtimes are asked for their versions, which takes a while.
    document = describe(components=form is None or wants(form, "Components"))
    if form is None:
        sys.stdout.write(_show(document))
    else:
        print_document(document, form, kind="system.versionInfo")
    return 0


def describe(*, components: bool) -> dict[str, Any]:
    """Put together which versions there are, in the names of Docker's API."""
    system, machine = os.uname(), this_host()
    own = {"Version": own_version(), "PythonVersion": platform.python_version()}
    where = {"Os": machine.os, "Arch": machine.architecture}
    found = [{"Name": "Engine", "Version": own["Version"], "Details": {**where, "KernelVersion": system.release}}]
    found += [
        {"Name": runtime.name, "Version": runtime.version, "Details": {"Path": runtime.program}}
        for runtime in (host.runtimes(config.load()) if components else ())
    ]
    server = {"Platform": {"Name": "preg"}, "Components": found, **own, **where, "KernelVersion": system.release}
    return {"Client": {**own, **where, "Context": "default"}, "Server": server}


def _show(document: dict[str, Any]) -> str:
    """Write the versions for people."""
    client, server = document["Client"], document["Server"]
    own = (
        ("Version", client["Version"]),
        ("Python version", client["PythonVersion"]),
        ("OS/Arch", f"{client['Os']}/{client['Arch']}"),
    )
    engine = (*own, ("Kernel version", server["KernelVersion"]))
    lines = ["Client:", *_rows((*own, ("Context", client["Context"])), 1), "", "Server:", " Engine:", *_rows(engine, 2)]
    for component in server["Components"][1:]:
        lines += [f" {component['Name']}:", *_rows((("Version", component["Version"]),), 2)]
    return "".join(f"{line}\n" for line in lines)


def _rows(rows: tuple[tuple[str, str], ...], depth: int) -> list[str]:
    return [f"{' ' * depth}{f'{name}:':<{19 - depth}} {value}" for name, value in rows]


def in_a_line(_: list[str]) -> int:
    """Run ``preg --version``."""
    sys.stdout.write(f"preg version {own_version()}\n")
    return 0


def own_version() -> str:
    """Give preg's version."""
    try:
        return metadata.version("preg-registry")
    except metadata.PackageNotFoundError:
        return "unknown"
