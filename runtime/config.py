"""Where things are. The only reader of the environment in this room."""

from __future__ import annotations

import os

from runtime.errors import Fault
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from storage.remote.proxies import Proxies

#: The ID of the user who has started us, also when we are root in a user namespace of theirs.
CALLER: Final = os.geteuid()
#: Ways to keep layers.
EROFS: Final = "erofs"
DIRECTORIES: Final = "directories"


class Config(NamedTuple):
    """The host as the runtime sees it. Places are plain strings: a quick command cannot wait for ``pathlib``."""

    home: str
    """Holds images and containers."""
    state: str
    """Holds what a reboot may forget."""
    login_file: str
    """The file that ``preg login`` writes, in Docker's format."""
    credential_files: tuple[str, ...]
    """Where the credentials for a registry are looked for, one after the other; ``login_file`` is one of them."""
    docker_config: str
    """Docker's own configuration, which may have variables for containers."""
    path: str
    """Where programs are looked for."""
    settings_files: tuple[str, ...]
    """Where settings are read from, one over the other; see ``runtime.settings``."""
    settings_required: bool
    """The one file was named, so that it has to be there."""
    certificate_folders: tuple[str, ...]
    """Where certificates for registries are looked for, as docker and podman do."""
    hosts_folders: tuple[str, ...]
    """Where hosts of registries are looked for, as containerd does."""


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Read the environment. Raises Fault for a value that cannot be used."""
    user = environ.get("HOME") or _home_of_caller()
    credential_files = _credential_files(environ, user)
    data = _data(environ, user)
    return Config(
        home=data,
        state=_state(environ, data),
        login_file=credential_files[-1],
        credential_files=credential_files,
        docker_config=_docker_config(environ, user),
        path=environ.get("PATH") or os.defpath,
        settings_files=_settings_files(environ, user),
        settings_required="PREG_CONFIG" in environ,
        certificate_folders=_folders(environ, user, "docker/certs.d", "containers/certs.d"),
        hosts_folders=_folders(environ, user, "containerd/certs.d"),
    )


def _home_of_caller() -> str:
    import pwd  # noqa: PLC0415 - nearly all have HOME, but for services of the system

    try:
        return pwd.getpwuid(CALLER).pw_dir
    except KeyError:
        return "/"


def _data(environ: Mapping[str, str], user: str) -> str:
    if home := environ.get("PREG_HOME"):
        if not home.startswith("/"):
            raise Fault(f"PREG_HOME is {home!r}, and must be an absolute path")
        return os.path.normpath(home)
    if CALLER == 0:
        return "/var/lib/preg"
    return os.path.join(environ.get("XDG_DATA_HOME") or os.path.join(user, ".local/share"), "preg")


def _state(environ: Mapping[str, str], data: str) -> str:
    if state := environ.get("PREG_STATE"):
        return os.path.normpath(state)
    if CALLER == 0:
        return "/run/preg"
    # A user has it without a login too, as in a job of cron; and su leaves the variable as it was for another.
    for place in (environ.get("XDG_RUNTIME_DIR"), f"/run/user/{CALLER}"):
        if place and os.access(place, os.W_OK):
            return os.path.join(place, "preg")
    return os.path.join(data, "state")


def _settings(environ: Mapping[str, str], user: str) -> str:
    return environ.get("XDG_CONFIG_HOME") or os.path.join(user, ".config")


def _settings_files(environ: Mapping[str, str], user: str) -> tuple[str, ...]:
    if chosen := environ.get("PREG_CONFIG"):
        return (chosen,)
    return ("/etc/preg/runtime.toml", os.path.join(_settings(environ, user), "preg/runtime.toml"))


def _folders(environ: Mapping[str, str], user: str, *names: str) -> tuple[str, ...]:
    """Name folders of this host and of the user's; those come first that are the user's to write."""
    host, own = (tuple(f"{place}/{name}" for name in names) for place in ("/etc", _settings(environ, user)))
    return (*host, *own) if CALLER == 0 else (*own, *host)


def _credential_files(environ: Mapping[str, str], user: str) -> tuple[str, ...]:
    """Name the files that podman looks in (containers-auth.json(5)), of which the last is Docker's."""
    if chosen := environ.get("REGISTRY_AUTH_FILE"):
        return (chosen,)
    passing = environ.get("XDG_RUNTIME_DIR")
    return (
        os.path.join(passing, "containers/auth.json") if passing else f"/run/containers/{CALLER}/auth.json",
        os.path.join(_settings(environ, user), "containers/auth.json"),
        _docker_config(environ, user),
    )


def _docker_config(environ: Mapping[str, str], user: str) -> str:
    return os.path.join(environ.get("DOCKER_CONFIG") or os.path.join(user, ".docker"), "config.json")


def wanted_layers(environ: Mapping[str, str] = os.environ) -> str | None:
    """Tell how layers are to be kept, if that is not left to preg. Raises Fault for a way that there is not."""
    wanted = environ.get("PREG_LAYERS") or None
    if wanted not in (None, EROFS, DIRECTORIES):
        raise Fault(f"PREG_LAYERS is {wanted!r}, and must be {EROFS} or {DIRECTORIES}")
    return wanted


def proxies(environ: Mapping[str, str] = os.environ) -> Proxies:
    """Read which proxies servers are reached through. Raises Fault for one that cannot be used."""
    from storage.remote.proxies import Proxies, ProxyInvalid  # noqa: PLC0415 - for those who speak to registries

    try:
        return Proxies.read(environ)
    except ProxyInvalid as error:
        raise Fault(str(error)) from error


def variable(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Look up what ``-e NAME`` without a value passes on."""
    return environ.get(name)
