"""What ``preg run`` and ``preg create`` take: the options of a container, and what they ask for."""

from __future__ import annotations

import os

from runtime.bundle import Wishes
from runtime.cli import network_options
from runtime.cli.health_options import HEALTH_OPTIONS, read_health
from runtime.cli.identity_options import IDENTITY_OPTIONS, ask_identity
from runtime.cli.isolation_options import ISOLATION_OPTIONS, ask_isolation
from runtime.cli.log_options import LOG_OPTIONS, read_log_policy
from runtime.cli.naming import find_record, read_reference
from runtime.cli.options import Option
from runtime.cli.platform import PLATFORM, Wish
from runtime.cli.resource_options import RESOURCE_OPTIONS, read_resources
from runtime.cli.variables import ENV, ENV_FILE, read_variables
from runtime.containers import Containers
from runtime.create import Wanted, create
from runtime.engine import find
from runtime.errors import Fault, UsageError
from runtime.images import Images
from runtime.network.networks import Networks
from runtime.network.plan import HOST
from runtime.platforms import check
from runtime.restart import read_restart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime import config
    from runtime.cli.options import Options
    from runtime.container import Container
    from runtime.images import ImageConfig
    from runtime.mounts import Mount
    from runtime.network.plan import Plan
    from runtime.platforms import Platform
    from storage.oci.digest import Digest

#: How the container is kept and what is in it; ``preg run`` has more.
OPTIONS: Final = (
    Option("--name", "Call it so (default: a name is invented)", "NAME"),
    Option("--rm", "Remove the container when it ends"),
    Option("--restart", "Start it again when it ends: no, on-failure[:RETRIES], always, unless-stopped", "POLICY"),
    Option("--label", "Note something about it", "NAME[=VALUE]", "-l"),
    Option("--label-file", "Read such notes from a file, a line each", "FILE"),
    Option("--cidfile", "Write its ID to this new file", "FILE"),
    Option("--stop-signal", "The signal that 'preg stop' sends (default: the image's, else TERM)", "SIGNAL"),
    Option("--stop-timeout", "How long 'preg stop' waits before it kills (default: 10)", "SECONDS"),
    Option("--interactive", "Pass standard input on", short="-i"),
    Option("--tty", "Give it a terminal", short="-t"),
    ENV,
    ENV_FILE,
    Option("--volume", "Mount a volume or a path of this host (ro: read-only)", "[SOURCE:]PATH[:OPTIONS]", "-v"),
    Option("--mount", "The same, or a tmpfs: type=volume|bind|tmpfs,source=SOURCE,target=PATH,readonly", "FIELDS"),
    Option("--volumes-from", "Mount what another container has mounted", "CONTAINER[:ro]"),
    Option("--workdir", "Start in this directory", "DIR", "-w"),
    Option("--entrypoint", "Execute this instead of the image's entrypoint", "COMMAND"),
    *network_options.OPTIONS,
    Option("--runtime", "The OCI runtime, by name or path (default: crun, then runc)", "RUNTIME"),
    PLATFORM,
    Option("--pull", "Fetch the image: missing (the default), always, never", "WHEN"),
    Option("--quiet", "Do not show how a pull comes along", short="-q"),
    Option("--plain-http", "Pull without TLS; from this host's own addresses always so"),
    *IDENTITY_OPTIONS,
    *HEALTH_OPTIONS,
    *LOG_OPTIONS,
    *ISOLATION_OPTIONS,
    *RESOURCE_OPTIONS,
)
_PULL: Final = ("always", "missing", "never")


def make(here: config.Config, options: Options, *, attached: bool) -> tuple[Container, int]:
    """Make the container that the options ask for, of an image that is pulled if need be; its lock is ours.

    Raises Fault.
    """
    containers = Containers(here.home, here.state)
    network = network_options.read_network(options, containers, Networks(here.home, here.state))
    wishes, wanted = (
        _borrow(options, read_wishes(options, network), containers),
        _read_wanted(options, network, attached=attached),
    )
    wish, when, name = Wish.read(options), options.last("--pull") or "missing", options.operands[0]
    cidfile = options.last("--cidfile")
    if when not in _PULL:
        raise UsageError(f"--pull is {', '.join(_PULL)}, not {when!r}")
    engine = find(options.last("--runtime"), here.path, here.state)
    images = Images(here.home)
    if cidfile is not None and os.path.exists(cidfile):
        raise Fault(f"the file {cidfile} is there already: it may be another container's, so remove it or name another")

    def create_if_here() -> tuple[Container, int] | None:
        with images.using():
            found = _find(images, name, None if when == "never" else wish.platform)
            if found is None:
                return None
            image, config = found
            check(config.platform, wish.platform, name)
            return create(containers, image, config, wishes=wishes, wanted=wanted, engine=engine)

    made = None if when == "always" else create_if_here()
    if made is None and when == "never":
        raise Fault(f"there is no image {name} on this host, and --pull never forbids to fetch it")
    if made is None:
        # What a short name stands for is looked up only by those who find nothing that is called so.
        name = _resolve(here, name)
        made = None if when == "always" else create_if_here()
    if made is None:
        _fetch(here, name, wish, quiet="--quiet" in options)
        made = create_if_here()
    if made is None:
        raise Fault(f"{name} was pulled and removed again by somebody else")
    container, held = made
    if cidfile is not None:
        with open(cidfile, "x", encoding="ascii") as file:
            file.write(container.id)
    return container, held


def _find(images: Images, name: str, platform: Platform | None) -> tuple[Digest, ImageConfig] | None:
    """Find the image that is meant, which one for another platform than is asked for is not."""
    record = find_record(images, name)
    config = images.config(record) if record is not None else None
    if record is None or config is None or (platform is not None and not platform.runs(config.platform)):
        return None
    return record.image, config


def _read_wanted(options: Options, network: Plan, *, attached: bool) -> Wanted:
    timeout = options.last("--stop-timeout")
    if timeout is not None and not timeout.removeprefix("-").isdecimal():
        raise UsageError(f"--stop-timeout {timeout}: it is a number of seconds")
    restart = read_restart(options.last("--restart") or "no")
    if "--rm" in options and restart.policy != "no":
        raise UsageError("--rm and --restart exclude each other: what is removed cannot be started again")
    return Wanted(
        image=options.operands[0],
        name=options.last("--name"),
        labels=_read_labels(options),
        restart=restart,
        remove="--rm" in options,
        stdin="--interactive" in options,
        attached=attached,
        stop_signal=options.last("--stop-signal"),
        stop_timeout=None if timeout is None else int(timeout),
        network=network,
        health=read_health(options),
        log=read_log_policy(options),
    )


def _read_labels(options: Options) -> dict[str, str]:
    lines = []
    for path in options.all("--label-file"):
        with open(path, encoding="utf-8") as file:
            lines += [line.strip() for line in file if line.strip() and not line.startswith("#")]
    pairs = (text.partition("=") for text in (*lines, *options.all("--label")))
    return {name: value for name, _, value in pairs}


def read_wishes(options: Options, network: Plan) -> Wishes:
    """Read what was asked of the container. Raises UsageError."""
    working_dir = options.last("--workdir") or ""
    if working_dir and not working_dir.startswith("/"):
        raise UsageError(f"-w {working_dir}: the directory must be an absolute path")
    entrypoint = options.last("--entrypoint")
    wishes = Wishes(
        command=tuple(options.operands[1:]),
        entrypoint=None if entrypoint is None else (entrypoint,) if entrypoint else (),
        environment=tuple(read_variables(options)),
        mounts=_read_mounts(options),
        working_dir=working_dir,
        terminal="--tty" in options,
        host_network=network.kind == HOST,
        resources=read_resources(options),
    )
    return ask_isolation(options, ask_identity(options, wishes))


def _read_mounts(options: Options) -> tuple[Mount, ...]:
    volumes, mounts = options.all("--volume"), options.all("--mount")
    if not volumes and not mounts:
        return ()  # as most containers
    from runtime.cli.mount_options import read_mounts  # noqa: PLC0415

    return read_mounts(volumes, mounts)


def _borrow(options: Options, wishes: Wishes, containers: Containers) -> Wishes:
    sources = options.all("--volumes-from")
    if not sources:
        return wishes  # as nearly all containers
    from runtime.cli.mount_options import borrow  # noqa: PLC0415

    return wishes._replace(mounts=borrow(wishes.mounts, sources, containers))


def _resolve(here: config.Config, name: str) -> str:
    # Whoever runs an image that is here must not wait for an HTTP client to be imported.
    from runtime.cli.registries import resolve  # noqa: PLC0415

    return str(resolve(here, name))


def _fetch(here: config.Config, name: str, wish: Wish, *, quiet: bool) -> None:
    from runtime.cli.pull import fetch  # noqa: PLC0415 - as above

    fetch(here, read_reference(name), wish, quiet=quiet)
