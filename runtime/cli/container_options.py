"""What ``preg run`` and ``preg create`` take: the options of a container, and what they ask for."""

from __future__ import annotations

import os

from runtime.bundle import Wishes
from runtime.cli.naming import find_record, read_reference
from runtime.cli.options import Family, Option
from runtime.cli.shared_options import (
    CONTENT_TRUST,
    PLAIN_HTTP,
    PLATFORM,
    TLS_VERIFY,
    VARIABLES,
    refuse_content_trust,
)
from runtime.containers import Containers
from runtime.create import Wanted, create
from runtime.engine import find
from runtime.errors import Fault, UsageError
from runtime.images import Images
from runtime.manner import STREAMS
from runtime.network.plan import HOST
from runtime.platforms import check, read_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Final

    from runtime import config
    from runtime.cli.options import Options
    from runtime.container import Container
    from runtime.image_config import ImageConfig
    from runtime.platforms import Platform
    from storage.oci.digest import Digest

#: Those that are read here.
_OWN: Final = (
    Option("--name", "Call it so (default: a name is invented)", "NAME"),
    Option("--rm", "Remove the container when it ends"),
    Option("--cidfile", "Write its ID to this new file", "FILE"),
    Option("--interactive", "Pass standard input on", short="-i"),
    Option("--tty", "Give it a terminal", short="-t"),
    Option("--workdir", "Start in this directory", "DIR", "-w"),
    Option("--entrypoint", "Execute this instead of the image's entrypoint", "COMMAND"),
    Option("--runtime", "The OCI runtime, by name or path (default: crun, then runc)", "RUNTIME"),
    PLATFORM,
    Option("--pull", "Fetch the image: missing (the default), always, never", "WHEN"),
    Option("--quiet", "Do not show how a pull comes along", short="-q"),
    CONTENT_TRUST,
    PLAIN_HTTP,
    TLS_VERIFY,
)
RESTART: Final = Option(
    "--restart", "Start it again when it ends: no, on-failure[:RETRIES], always, unless-stopped", "POLICY"
)
_KEEPING: Final = Family(
    "runtime.cli.keeping_options:ask_keeping",
    (
        RESTART,
        Option("--label", "Note something about it", "NAME[=VALUE]", "-l"),
        Option("--label-file", "Read such notes from a file, a line each", "FILE"),
        Option("--stop-signal", "The signal that 'preg stop' sends (default: the image's, else TERM)", "SIGNAL"),
        Option("--stop-timeout", "How long 'preg stop' waits before it kills (default: 10)", "SECONDS"),
    ),
)
_NETWORK: Final = Family(
    "runtime.cli.network_options:ask_network",
    (
        Option(
            *("--network", "bridge (the default), one of 'preg network ls', host, none, container:NAME", "NETWORK"),
            also=("--net",),
        ),
        Option("--network-alias", "Another name that its network knows it by", "NAME", also=("--net-alias",)),
        Option("--ip", "Its IPv4 address in the network", "ADDRESS"),
        Option("--ip6", "Refused: networks have IPv4 addresses only for now", "ADDRESS"),
        Option("--link", "A name of its own for another container", "CONTAINER[:ALIAS]"),
        Option("--mac-address", "Its hardware address in the network", "ADDRESS"),
        Option("--publish", "Let a port of this host lead to one of it", "[[ADDRESS:]HOST:]PORT[/PROTOCOL]", "-p"),
        Option("--publish-all", "Publish every port that is exposed, at a free one", short="-P"),
        Option("--expose", "Say that it listens there, beside what its image says", "PORT[/PROTOCOL]"),
    ),
)
_HEALTH: Final = Family(
    "runtime.cli.health_options:ask_health",
    (
        Option("--health-cmd", "See by this command of a shell whether it is well", "COMMAND"),
        Option("--health-interval", "Wait so long between checks (default: 30s)", "DURATION"),
        Option("--health-timeout", "A check that takes longer has failed (default: 30s)", "DURATION"),
        Option("--health-retries", "It is unhealthy when so many checks in a row have failed (default: 3)", "N"),
        Option("--health-start-period", "Failures do not count so long after its start (default: 0s)", "DURATION"),
        Option("--health-start-interval", "Wait so long between checks in the start period (default: 5s)", "DURATION"),
        Option("--no-healthcheck", "Do not check it, whatever its image says"),
    ),
)
_LOG: Final = Family(
    "runtime.cli.log_options:ask_log",
    (
        Option("--log-driver", "none keeps nothing of what it prints; json-file and local do the same here", "DRIVER"),
        Option(
            "--log-opt",
            "Keep max-file files (default: 3) of max-size (default: 10m); labels and env for 'preg logs --details'",
            "KEY=VALUE",
        ),
    ),
)
_MOUNTS: Final = Family(
    "runtime.cli.mount_options:ask_mounts",
    (
        Option("--volume", "Mount a volume or a path of this host (ro: read-only)", "[SOURCE:]PATH[:OPTIONS]", "-v"),
        Option("--mount", "The same, or a tmpfs: type=volume|bind|tmpfs,source=SOURCE,target=PATH,readonly", "FIELDS"),
        Option("--volume-driver", "local, the only one there is", "DRIVER"),
        Option("--volumes-from", "Mount what another container has mounted", "CONTAINER[:ro]"),
    ),
)
_IDENTITY: Final = Family(
    "runtime.cli.identity_options:ask_identity",
    (
        Option("--user", "Run as this user and group, by name or number (default: the image's)", "USER[:GROUP]", "-u"),
        Option("--group-add", "Let it be in this group as well", "GROUP"),
        Option("--init", "Run a small init first, which reaps processes and passes signals on"),
        Option("--hostname", "Its host name (default: the short ID)", "NAME", "-h"),
        Option("--domainname", "Its NIS domain name", "NAME"),
        Option("--add-host", "Let it know a name; host-gateway as the address is this host", "NAME:ADDRESS"),
        Option("--dns", "Let it ask this name server, not those of this host", "ADDRESS"),
        Option("--dns-search", "Let it look for names in this domain; . for none", "DOMAIN"),
        Option("--dns-option", "An option of resolv.conf, e.g. ndots:2", "OPTION", also=("--dns-opt",)),
    ),
)
_ISOLATION: Final = Family(
    "runtime.cli.isolation_options:ask_isolation",
    (
        Option("--privileged", "Give it all of root's power and all devices: it can do anything to this host"),
        Option("--cap-add", "Give it a capability, as NET_ADMIN; ALL for each of them", "CAPABILITY"),
        Option("--cap-drop", "Take one away that it has by default; ALL for each of them", "CAPABILITY"),
        Option(
            "--security-opt",
            "no-new-privileges, seccomp=unconfined|FILE, systempaths=unconfined, apparmor=PROFILE",
            "OPTION",
        ),
        Option("--device", "Give it a device of this host; ACCESS is of r, w and m", "HOST[:CONTAINER][:ACCESS]"),
        Option(
            "--device-cgroup-rule", "Let it use devices: c, b or a, MAJOR:MINOR (* for any), and of r, w and m", "RULE"
        ),
        Option("--gpus", "Give it GPUs of NVIDIA by CDI: all, a number, or device=ID[,ID...]", "REQUEST"),
        Option("--annotation", "Tell its OCI runtime something", "NAME=VALUE"),
        Option("--storage-opt", "Refused: a container's root has no size of its own", "OPTION"),
        Option("--read-only", "Mount its root read-only"),
        Option("--tmpfs", "Mount a directory in memory; OPTIONS as size=64m,mode=1777,exec", "DIR[:OPTIONS]"),
        Option("--shm-size", "The size of /dev/shm (default: 64m)", "SIZE"),
        Option("--ulimit", "Limit its processes, as nofile=1024:2048", "NAME=SOFT[:HARD]"),
        Option("--oom-score-adj", "How soon it is killed when memory is scarce, from -1000 to 1000", "NUMBER"),
        Option("--sysctl", "Set something of its kernel namespaces, as net.core.somaxconn=1024", "NAME=VALUE"),
        Option("--pid", "host or container:NAME: let it see the processes of that", "NAMESPACE"),
        Option("--ipc", "private (the default), shareable, container:NAME, none or host", "NAMESPACE"),
        Option("--uts", "host: let it have this host's name", "NAMESPACE"),
        Option("--cgroup-parent", "Make its control group in this one, which limits all in it", "GROUP"),
        Option("--cgroupns", "private (the default with cgroup v2) or host", "NAMESPACE"),
        Option("--userns", "host; there are no others yet", "NAMESPACE"),
    ),
)
RESOURCES: Final = Family(
    "runtime.cli.resource_options:ask_resources",
    (
        Option("--memory", "Let it have so much memory, as 512m", "SIZE", "-m"),
        Option("--memory-swap", "Memory and swap together (default: twice the memory); -1 for all swap", "SIZE"),
        Option("--memory-reservation", "What it keeps when memory is scarce", "SIZE"),
        Option("--memory-swappiness", "How readily its memory is swapped out, from 0 to 100 (cgroup v1)", "NUMBER"),
        Option("--oom-kill-disable", "Let it wait for memory, not be killed (cgroup v1)"),
        Option("--cpus", "Let it have so many processors, as 1.5", "NUMBER"),
        Option("--cpu-shares", "Its weight among others when processors are scarce (default: 1024)", "NUMBER", "-c"),
        Option("--cpu-period", "Count its time in such periods, in microseconds", "NUMBER"),
        Option("--cpu-quota", "Let it have so much of each period, in microseconds", "NUMBER"),
        Option("--cpuset-cpus", "Run it on these processors, as 0-2,4", "LIST"),
        Option("--cpuset-mems", "Give it memory of these nodes", "LIST"),
        Option("--pids-limit", "Let it have so many processes; -1 for any number", "NUMBER"),
        Option("--blkio-weight", "Its weight among others that use a disk, from 10 to 1000", "NUMBER"),
        Option("--blkio-weight-device", "Its weight among others that use this disk", "DEVICE:WEIGHT"),
        Option("--device-read-bps", "Let it read so many bytes in a second from a disk", "DEVICE:SIZE"),
        Option("--device-read-iops", "Let it read so often in a second from a disk", "DEVICE:NUMBER"),
        Option("--device-write-bps", "Let it write so many bytes in a second to a disk", "DEVICE:SIZE"),
        Option("--device-write-iops", "Let it write so often in a second to a disk", "DEVICE:NUMBER"),
    ),
)
#: What is wanted of a container, and what is wished for inside it.
_WANTED: Final = (_KEEPING, _NETWORK, _HEALTH, _LOG)
_WISHES: Final = (VARIABLES, _MOUNTS, _IDENTITY, _ISOLATION, RESOURCES)
#: All of them; ``preg run`` has more.
OPTIONS: Final = (*_OWN, *(option for family in (*_WISHES, *_WANTED) for option in family.options))
_PULL: Final = ("always", "missing", "never")


def make(here: config.Config, options: Options, wanted: Wanted) -> tuple[Container, int]:
    """Make the container that is wanted, of an image that is pulled if need be; its lock is ours.

    Raises Fault.
    """
    containers, cidfile = Containers(here.home, here.state), options.last("--cidfile") or None
    wishes = _with_proxies(here, options, read_wishes(options, host_network=wanted.network.kind == HOST))
    engine = find(options.last("--runtime"), here.path, here.state)
    if cidfile is not None and os.path.exists(cidfile):
        raise Fault(f"the file {cidfile} is there already: it may be another container's, so remove it or name another")

    def make_of(image: Digest, config: ImageConfig) -> tuple[Container, int]:
        return create(containers, image, config, wishes=wishes, wanted=wanted, engine=engine)

    container, held = _with_image(here, options, make_of)
    if cidfile is not None:
        try:
            with open(cidfile, "x", encoding="utf-8") as file:
                file.write(container.id)
        except BaseException:
            containers.remove(container, volumes=True)
            container.unregister()
            os.close(held)
            raise
    return container, held


def _with_proxies(here: config.Config, options: Options, wishes: Wishes) -> Wishes:
    """Add the variables that Docker's configuration has for containers that are to use a proxy. Raises Fault."""
    try:
        with open(here.docker_config, "rb") as file:
            raw = file.read()
    except OSError:
        return wishes
    if b'"proxies"' not in raw:
        return wishes
    from runtime.cli.proxy_variables import read_proxies  # noqa: PLC0415 - most have none there

    given = (*wishes.environment, *options.all("--env"))
    proxies = read_proxies(raw, here.docker_config, given)
    return wishes._replace(environment=(*proxies, *wishes.environment))


def _with_image(
    here: config.Config, options: Options, make_of: Callable[[Digest, ImageConfig], tuple[Container, int]]
) -> tuple[Container, int]:
    """Make a container of the image that the options name, while nobody removes that. Raises Fault."""
    images, name, platform_name = Images(here.home), options.operands[0], options.last("--platform")
    platform = read_platform(platform_name) if platform_name else None
    when = options.last("--pull") or "missing"
    if when not in _PULL:
        raise UsageError(f"--pull is {', '.join(_PULL)}, not {when!r}")

    def make_if_here() -> tuple[Container, int] | None:
        with images.using():
            found = _find(images, name, None if when == "never" else platform)
            if found is None:
                return None
            image, config = found
            check(config.platform, platform, name)
            return make_of(image, config)

    made = None if when == "always" else make_if_here()
    if made is None and when == "never":
        raise Fault(f"there is no image {name} on this host, and --pull never forbids to fetch it")
    if made is None:
        _open_workshop()
        # What a short name stands for is looked up only by those who find nothing that is called so.
        name = _resolve(here, name)
        made = None if when == "always" else make_if_here()
    if made is None:
        _fetch(here, name, platform, options)
        made = make_if_here()
    if made is None:
        raise Fault(f"{name} was pulled and removed again by somebody else")
    return made


def _find(images: Images, name: str, platform: Platform | None) -> tuple[Digest, ImageConfig] | None:
    """Find the image that is meant, which one for another platform than is asked for is not."""
    record = find_record(images, name)
    config = images.config(record.image, name) if record is not None else None
    if record is None or config is None or (platform is not None and not platform.runs(config.platform)):
        return None
    return record.image, config


def read_wanted(options: Options, *, typed: bool, shown: Collection[int] = STREAMS) -> Wanted:
    """Read what was asked of a container, beside what is inside it; ``typed`` and ``shown`` as in ``Wanted``.

    Raises UsageError, and Fault.
    """
    refuse_content_trust(options)
    wanted = Wanted(
        image=options.operands[0],
        name=options.last("--name") or None,
        remove="--rm" in options,
        stdin="--interactive" in options,
        typed=typed,
        shown=tuple(shown),
    )
    for family in _WANTED:
        wanted = family.read(options, wanted)
    return wanted


def read_wishes(options: Options, *, host_network: bool) -> Wishes:
    """Read what was asked of the container. Raises UsageError."""
    working_dir = options.last("--workdir") or ""
    if working_dir and not working_dir.startswith("/"):
        raise UsageError(f"-w {working_dir}: the directory must be an absolute path")
    entrypoint = options.last("--entrypoint")
    wishes = Wishes(
        command=tuple(options.operands[1:]),
        entrypoint=None if entrypoint is None else (entrypoint,) if entrypoint else (),
        working_dir=working_dir,
        terminal="--tty" in options,
        host_network=host_network,
    )
    for family in _WISHES:
        wishes = family.read(options, wishes)
    return wishes


def _open_workshop() -> None:
    from runtime.workshop import open_ahead  # noqa: PLC0415 - as below

    open_ahead()


def _resolve(here: config.Config, name: str) -> str:
    # Whoever runs an image that is here must not wait for an HTTP client to be imported.
    from runtime.cli.registries import resolve  # noqa: PLC0415

    return str(resolve(here, name))


def _fetch(here: config.Config, name: str, platform: Platform | None, options: Options) -> None:
    from runtime.cli.pull import fetch  # noqa: PLC0415 - as above
    from runtime.cli.registries import open_registries  # noqa: PLC0415 - as above

    fetch(here, open_registries(here, options), read_reference(name), platform, quiet="--quiet" in options)
