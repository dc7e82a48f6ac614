"""Where things are. The only reader of the environment in this room."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from runtime.errors import Fault
from runtime.rootless import CALLER

#: Ways to keep layers.
EROFS: Final = "erofs"
DIRECTORIES: Final = "directories"


class Config(NamedTuple):
    """The host as the runtime sees it."""

    home: Path
    """Holds images and containers."""
    state: Path
    """Holds what a reboot may forget."""
    login_file: Path
    """The file that ``preg login`` writes, in Docker's format."""
    credential_files: tuple[Path, ...]
    """Where the credentials for a registry are looked for, one after the other; ``login_file`` is one of them."""
    path: str
    """Where programs are looked for."""
    settings_files: tuple[Path, ...]
    """Where settings are read from, one over the other; see ``runtime.settings``."""
    settings_required: bool
    """The one file was named, so that it has to be there."""


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Read the environment. Raises Fault for a value that cannot be used."""
    user = Path(environ.get("HOME") or "/")
    root = CALLER == 0
    if home := environ.get("PREG_HOME"):
        if not Path(home).is_absolute():
            raise Fault(f"PREG_HOME is {home!r}, and must be an absolute path")
        data = Path(home)
    elif root:
        data = Path("/var/lib/preg")
    else:
        data = Path(environ.get("XDG_DATA_HOME") or user / ".local/share") / "preg"
    runtime_dir = Path("/run") if root else Path(environ.get("XDG_RUNTIME_DIR") or data)
    credential_files = _credential_files(environ, user)
    return Config(
        home=data,
        state=Path(environ.get("PREG_STATE") or (runtime_dir / "preg" if runtime_dir != data else data / "state")),
        login_file=credential_files[-1],
        credential_files=credential_files,
        path=environ.get("PATH") or os.defpath,
        settings_files=_settings_files(environ, user),
        settings_required="PREG_CONFIG" in environ,
    )


def _settings_files(environ: Mapping[str, str], user: Path) -> tuple[Path, ...]:
    if chosen := environ.get("PREG_CONFIG"):
        return (Path(chosen),)
    mine = Path(environ.get("XDG_CONFIG_HOME") or user / ".config")
    return (Path("/etc/preg/runtime.toml"), mine / "preg/runtime.toml")


def _credential_files(environ: Mapping[str, str], user: Path) -> tuple[Path, ...]:
    """Name the files that podman looks in (containers-auth.json(5)), of which the last is Docker's."""
    if chosen := environ.get("REGISTRY_AUTH_FILE"):
        return (Path(chosen),)
    passing = environ.get("XDG_RUNTIME_DIR")
    return (
        Path(passing, "containers/auth.json") if passing else Path(f"/run/containers/{CALLER}/auth.json"),
        Path(environ.get("XDG_CONFIG_HOME") or user / ".config", "containers/auth.json"),
        Path(environ.get("DOCKER_CONFIG") or user / ".docker", "config.json"),
    )


def wanted_layers(environ: Mapping[str, str] = os.environ) -> str | None:
    """Tell how layers are to be kept, if that is not left to preg. Raises Fault for a way that there is not."""
    wanted = environ.get("PREG_LAYERS") or None
    if wanted not in (None, EROFS, DIRECTORIES):
        raise Fault(f"PREG_LAYERS is {wanted!r}, and must be {EROFS} or {DIRECTORIES}")
    return wanted


def variable(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Look up what ``-e NAME`` without a value passes on."""
    return environ.get(name)
