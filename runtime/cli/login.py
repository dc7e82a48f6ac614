"""``preg login``: log in to a registry."""

import getpass
import sys
from pathlib import Path
from typing import Final

from runtime import config
from runtime.cli.naming import read_registry
from runtime.cli.options import Option, Options, Usage
from runtime.cli.registries import ACCESS_OPTIONS, as_faults, check_login, open_registries
from runtime.errors import Fault, UsageError
from storage.oci.errors import Unauthorized
from storage.oci.shorthand import DEFAULT_REGISTRY
from storage.remote.credentials import Credentials
from storage.remote.docker_config import DockerConfig

USAGE: Final = Usage(
    "login [OPTION...] [REGISTRY]",
    "Log in to a registry (default: Docker Hub), and keep the login for preg and docker.\n"
    "What is not given is asked for.",
    (
        Option("--username", "Whom to log in as", "USER", "-u"),
        Option("--password-stdin", "Read the password from standard input"),
        Option("--password", "The password itself, which others on this host can then see", "PASSWORD", "-p"),
        *ACCESS_OPTIONS,
    ),
    notes="""
Where the registry issues an identity token, that is kept and the password is not. It is kept by the credential helper
that Docker's configuration names (credsStore, credHelpers), else in the file itself: $REGISTRY_AUTH_FILE if set, else
$DOCKER_CONFIG/config.json or ~/.docker/config.json.

Examples:
  preg login registry.example
  preg login -u ci --password-stdin registry.example < password
""",
    operands=(0, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    registry = read_registry(options.operands[0] if options.operands else DEFAULT_REGISTRY)
    here = config.load()
    registries = open_registries(here, options)
    file = DockerConfig(Path(here.login_file))
    with as_faults():
        known = file.find(registry)
        if known and not any(name in options for name in ("--username", "--password", "--password-stdin")):
            try:
                return _keep(here, registry, known, check_login(registries, registry, known))
            except Unauthorized as refusal:
                _say(f"the login that is there is no longer good ({refusal})")
        shown = _read_credentials(options, registry, known.user if known else "")
        try:
            kept = check_login(registries, registry, shown)
        except Unauthorized as refusal:
            raise Fault(f"{registry} does not let {shown.user!r} in: {refusal}") from refusal
        return _keep(here, registry, shown, kept)


def _read_credentials(options: Options, registry: str, default_user: str) -> Credentials:
    user, password = options.last("--username") or "", options.last("--password")
    if "--password-stdin" in options:
        if password is not None:
            raise UsageError("--password and --password-stdin exclude each other")
        if not user:
            raise UsageError("--password-stdin needs a user: --username USER")
        password = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    elif password is not None:
        # Scripts that were written for docker do this, and shall go on to work.
        _say("a password on the command line can be seen by others on this host: use --password-stdin")
    if (not user or password is None) and not sys.stdin.isatty():
        raise Fault("there is no terminal to ask on: give --username USER and --password-stdin")
    try:
        user = user or input(f"Username for {registry}{f' ({default_user})' if default_user else ''}: ") or default_user
        password = getpass.getpass() if password is None else password
    except EOFError:
        raise Fault("the login was broken off") from None
    if not user or not password:
        raise Fault(f"no {'password' if user else 'user'} was given")
    if ":" in user:
        # HTTP joins user and password by one (RFC 7617, section 2).
        raise Fault(f"{user!r} cannot be a user: there is a colon in it")
    return Credentials(user, password)


def _keep(here: config.Config, registry: str, shown: Credentials, kept: Credentials | None) -> int:
    """Keep what a registry has accepted; nothing is written if that is there already."""
    file = DockerConfig(Path(here.login_file))
    if kept is None:
        _say(f"{registry} asks nobody for a password here, so this one was not checked")
        kept = shown
    if kept != file.find(registry):
        helper = file.store(registry, kept)
        if not helper and not kept.identity_token:
            _say(f"the password is kept unencrypted in {file.path}; a credential helper (credsStore there) hides it")
    for first in here.credential_files[: here.credential_files.index(here.login_file)]:
        if DockerConfig(Path(first)).find(registry):
            _say(f"{first} has a login for {registry}, too, which comes first: run podman logout {registry}")
    sys.stdout.write("Login Succeeded\n")
    return 0


def _say(what: str) -> None:
    sys.stderr.write(f"preg: {what}\n")
