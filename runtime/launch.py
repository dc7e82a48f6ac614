"""Making a container and starting it: its root, its bundle, and the supervisor that takes over."""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from runtime import bundle
from runtime import frames as f
from runtime.attach import Session
from runtime.container import Container, Description
from runtime.engine import ENVIRON, Engine, read_failure
from runtime.errors import Fault
from runtime.images import ImageConfig, Images, Process
from runtime.init import PLACE
from runtime.isolation import isolate
from runtime.kernel import join_mounts, unshare_mounts
from runtime.mounts import Mount
from runtime.resolver import hosts_lines, resolv_conf
from runtime.users import find_user, read_inside
from storage.oci.digest import Digest

if TYPE_CHECKING:
    from runtime.config import Config

_HOSTS: Final = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
#: All of this host that a container without a network reaches is what shares its network.
_LOOPBACK: Final = "127.0.0.1"
_SUPERVISOR: Final = "import sys; sys.path.insert(0, sys.argv[1]); from runtime.supervisor import main; main()"


def hire() -> socket.socket:
    """Start a supervisor that has no container yet, and give the socket for its order; it ends if that is closed.

    It takes as long to begin as the rest of a start takes, so this comes first.
    """
    ours, its = socket.socketpair()
    with its:
        os.posix_spawn(
            sys.executable,
            # Isolated and without site: half the memory, and nothing of the caller's environment.
            [sys.executable, "-I", "-S", "-c", _SUPERVISOR, str(Path(__file__).parents[1])],
            ENVIRON,
            file_actions=[(os.POSIX_SPAWN_DUP2, its.fileno(), 0)],
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    return ours


def start(here: "Config", container: Container, held: int, supervisor: socket.socket, *, attach: bool) -> Session:
    """Start a container that we hold the lock of, and hand it over to a supervisor.

    With ``attach`` all that it prints comes to the session. Raises Fault if it cannot be started; then it is as it was,
    and its state says why.
    """
    if os.geteuid() != 0:
        raise Fault("containers need root for now: preg mounts their roots and makes namespaces; use sudo")
    description = container.describe()
    container.register()
    engine = Engine(Path(description.engine), here.state)
    ours = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    try:
        # While what is mounted is not yet this container's alone.
        images = Images(here.home)
        config = ImageConfig.parse(images.read(Digest(description.image_id)), description.image)
        images.layers.ready(config.rootfs.diff_ids)
        unshare_mounts()
        engine.prepare()
        root = images.layers.mount(config.rootfs.diff_ids, Path(container.directory))
        _make_bundle(container, description, config.config or Process(), root, engine)
        order = {
            "home": str(here.home),
            "state": str(here.state),
            "identifier": container.id,
            "run": engine.run(container.directory, f"{container.running}/log"),
            "delete": engine.delete(),
            "remains": engine.remains(container.id),
            "environ": ENVIRON,
            "attach": attach,
        }
        with open("/proc/self/ns/mnt", "rb") as mounts:
            order_frame = f.frame(f.START, json.dumps(order).encode())
            socket.send_fds(supervisor, [order_frame], [held, mounts.fileno()])
        return _wait_until_started(supervisor, engine.name)
    except (Fault, OSError) as fault:
        container.unregister()
        container.write_state(container.state()._replace(error=str(fault), exit_code=getattr(fault, "status", 128)))
        raise
    finally:
        # What is mounted for one container must not be kept by the next one's namespace.
        join_mounts(ours)
        os.close(ours)


def _wait_until_started(supervisor: socket.socket, engine: str) -> Session:
    session = Session(supervisor)
    kind, content = session.next()
    if kind == f.STARTED:
        return session
    if kind == f.FAILED:
        raise read_failure(content, engine)
    raise Fault("the container's supervisor ended before it could start the container")


def _make_bundle(container: Container, description: Description, image: Process, root: Path, engine: Engine) -> None:
    wishes = msgspec.convert(description.wishes, bundle.Wishes)
    opened = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        passwd, group = read_inside(opened, b"etc/passwd"), read_inside(opened, b"etc/group")
        user = find_user(wishes.user or image.user, passwd, group, wishes.groups)
        if wishes.mounts:
            from runtime.provision import prepare  # noqa: PLC0415 - most containers have none

            wishes = prepare(container, wishes, opened)
    finally:
        os.close(opened)
    isolation = isolate(wishes, engine)
    hostname = _hostname(container, wishes)
    files = _host_files(container, wishes, hostname)
    if isolation.init:
        files.append(Mount(isolation.init, PLACE, ("bind", "ro")))
    described = bundle.build(
        image,
        wishes,
        user,
        identifier=container.id,
        hostname=hostname,
        root=str(root),
        files=files,
        isolation=isolation,
    )
    Path(container.directory, "config.json").write_bytes(msgspec.json.encode(described))


def _hostname(container: Container, wishes: bundle.Wishes) -> str:
    if wishes.hostname:
        return wishes.hostname
    return os.uname().nodename if wishes.host_uts else container.short_id


def _host_files(container: Container, wishes: bundle.Wishes, hostname: str) -> list[Mount]:
    """Write the files of ``/etc`` that tell a container of its host, but for those that the person brings along."""
    try:
        resolvers = Path("/etc/resolv.conf").read_text()
    except OSError:
        resolvers = ""
    full_name = f"{hostname}.{wishes.domainname}" if wishes.domainname else hostname
    names = hostname if full_name == hostname else f"{full_name} {hostname}"
    contents = {
        "hosts": f"{_HOSTS}127.0.0.1\t{names}\n{hosts_lines(wishes.hosts, _LOOPBACK)}",
        "hostname": f"{full_name}\n",
        "resolv.conf": resolv_conf(resolvers, wishes.dns, wishes.dns_search, wishes.dns_options),
    }
    files = []
    taken = {mount.target for mount in wishes.mounts}
    for name, content in contents.items():
        if f"/etc/{name}" not in taken:
            path = Path(container.directory, name)
            path.write_text(content)
            path.chmod(0o644)
            files.append(Mount(str(path), f"/etc/{name}"))
    return files
