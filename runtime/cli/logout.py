"""``preg logout``: forget the login to a registry."""

import sys
from pathlib import Path
from typing import Final

from runtime import config
from runtime.cli.naming import read_registry
from runtime.cli.options import Usage
from runtime.cli.registries import as_faults
from storage.oci.shorthand import DEFAULT_REGISTRY
from storage.remote.docker_config import DockerConfig

USAGE: Final = Usage(
    "logout [REGISTRY]",
    "Forget the login to a registry (default: Docker Hub), for preg and docker.",
    notes="""
Example:
  preg logout registry.example
""",
    operands=(0, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    registry = read_registry(options.operands[0] if options.operands else DEFAULT_REGISTRY)
    here = config.load()
    with as_faults():
        known = DockerConfig(Path(here.login_file)).erase(registry)
        sys.stdout.write(f"{'Removed the login to' if known else 'Not logged in to'} {registry}\n")
        for other in here.credential_files:
            if other != here.login_file and DockerConfig(Path(other)).find(registry):
                sys.stderr.write(f"preg: {other} has a login for {registry}, too: run podman logout {registry}\n")
    return 0
