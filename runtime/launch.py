"""Making a container and starting it: its root, its bundle, and the supervisor that takes over."""

from __future__ import annotations

import os

from runtime import bundle, cgroup
from runtime import frames as f
from runtime.config import CALLER
from runtime.container import PARENT_GROUP
from runtime.containers import Containers
from runtime.engine import ENVIRON, Engine, read_failure
from runtime.errors import Fault, in_words
from runtime.host_files import name_host, write_host_files
from runtime.image_config import Process
from runtime.images import Images
from runtime.isolation import isolate
from runtime.kernel import UMASK, attach_tree, join_mounts, open_inside, opened_mounts, unshare_mounts
from runtime.lean import suppress, to_json
from runtime.manner import NO_PIPES
from runtime.mounts import Mount
from runtime.network.plan import read_plan
from runtime.network.sandbox import Sandbox, prepare
from runtime.order import Order, give
from runtime.record import read, write_text
from runtime.rootless import adapt, privileges
from runtime.users import check_command, check_group_names, find_user, read_inside
from storage.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.attach import Session
    from runtime.config import Config
    from runtime.container import Container, Description
    from runtime.hire import Hired
    from runtime.image_config import ImageConfig
    from runtime.isolation import Isolation
    from runtime.manner import Pipes
    from runtime.sockets import Socket
    from runtime.users import User


def start(here: Config, container: Container, held: int, supervisor: Hired, pipes: Pipes = NO_PIPES) -> Session:
    """Start a container that we hold the lock of, and hand it over to a supervisor.

    Its streams are connected with the pipes. Raises Fault if it cannot be started; then it is as it was,
    and its state says why.
    """
    container.register()
    before = os.umask(UMASK)
    try:
        with opened_mounts() as ours:
            try:
                return _start(here, container, held, supervisor, pipes)
            finally:
                # What is mounted for one container must not be kept by the next one's namespace.
                join_mounts(*ours)
    except (Fault, OSError) as fault:
        _give_up(here, container, fault)
        raise
    finally:
        os.umask(before)


def _start(here: Config, container: Container, held: int, supervisor: Hired, pipes: Pipes) -> Session:
    description = container.describe()
    engine, sandbox = Engine(description.engine, here.state), Sandbox()
    # While what is mounted is not yet this container's alone.
    images = Images(here.home)
    config = images.config(Digest(description.image_id), description.image)
    images.layers.ready(config.rootfs.diff_ids)
    volumes = _mount_volumes(container, description)
    _unshare_mounts(here, container, description)
    if CALLER != 0:
        from runtime.delegation import obtain  # noqa: PLC0415 - root has control groups

        obtain(container.id, supervisor.process)
    if parent := description.wishes.get("cgroup_parent"):
        os.symlink(parent, f"{container.running}/{PARENT_GROUP}")
    engine.prepare()
    root = images.layers.mount(config.rootfs.diff_ids, container.directory, passing=description.remove)
    _make_bundle(here, container, description, config, root, engine)
    try:
        sandbox = prepare(here, container, description)
        order = _order(here, container, engine, sandbox, pipes)._replace(volumes=volumes)
        with opened_mounts() as mounts:
            give(supervisor, order, [held, *mounts, *sandbox.files, *pipes.theirs])
        pipes.close_theirs()
        return _wait_until_started(supervisor, engine.name)
    finally:
        sandbox.close()


def _mount_volumes(container: Container, description: Description) -> list[str]:
    if not any(mount["kind"] == "volume" for mount in description.wishes["mounts"]):
        return []
    from runtime.volume_mounts import mount_for_all  # noqa: PLC0415 - most containers have none

    return mount_for_all(container, description)


def _unshare_mounts(here: Config, container: Container, description: Description) -> None:
    """Get mounts of our own; those of the host go on to reach them, and they the host where that was asked for."""
    opened: list[tuple[int, str]] = []
    if description.shares_namespaces:
        from runtime.shared_namespaces import open_shared_memory  # noqa: PLC0415 - a rare wish

        opened += open_shared_memory(Containers(here.home, here.state), container, description.wishes)
    mounts = description.wishes["mounts"]
    if any(option.endswith(("shared", "slave")) for mount in mounts for option in mount["options"]):
        from runtime.propagation import open_shared  # noqa: PLC0415 - a rare wish

        opened += open_shared(mounts)
    unshare_mounts()
    for file, path in opened:
        attach_tree(file, path)
        os.close(file)


def _order(here: Config, container: Container, engine: Engine, sandbox: Sandbox, pipes: Pipes) -> Order:
    return Order(
        home=here.home,
        state=here.state,
        identifier=container.id,
        run=engine.run(container.directory, f"{container.running}/log"),
        delete=engine.delete(),
        engine=engine.command(),
        remains=engine.remains(container.id),
        environ=ENVIRON,
        streams=pipes.streams,
        network=sandbox.namespace is not None,
        in_hub=sandbox.in_hub,
        group=container.group,
    )


def _give_up(here: Config, container: Container, fault: Fault | OSError) -> None:
    """Leave a container that could not be started as it was, but for what its state says."""
    from runtime.network.entries import release  # noqa: PLC0415 - for starts that fail

    release(here.home, here.state, container.id)
    Containers(here.home, here.state).unmount_volumes(container)
    container.unregister()
    with suppress(OSError):  # it is gone already, or the disk is full
        container.write_state(
            container.state()._replace(error=in_words(fault), exit_code=getattr(fault, "status", None) or 128)
        )


def _wait_until_started(supervisor: Socket, engine: str) -> Session:
    from runtime.attach import Session  # noqa: PLC0415 - while the engine makes the container

    session = Session(supervisor)
    kind, content = session.next()
    if kind == f.STARTED:
        return session
    if kind == f.FAILED:
        raise read_failure(content, engine)
    raise Fault("the container's supervisor ended before it could start the container")


def _make_bundle(  # noqa: PLR0913, PLR0917 - all that a container is made of
    here: Config, container: Container, description: Description, config: ImageConfig, root: str, engine: Engine
) -> None:
    wishes = read(bundle.Wishes, description.wishes)
    image = config.config or Process()
    isolation = isolate(wishes, engine, config.platform.architecture)
    wishes, give_devices = _with_vendor_devices(wishes)
    opened = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        user = _find_user(opened, wishes, image, engine)
        wishes = _prepare_mounts(opened, container, wishes, image, isolation)
        if not (wishes.mounts or wishes.tmpfs):
            check_command(opened, user, description.arguments, bundle.working_directory(image, wishes))
    finally:
        os.close(opened)
    plan = read_plan(container.directory)
    hostname = name_host(container, wishes, plan)
    files = write_host_files(container, wishes, hostname, plan, here)
    if isolation.init:
        files.append(Mount(isolation.init, bundle.INIT, ("bind", "ro")))
    joined = {}
    if description.shares_namespaces:
        from runtime.shared_namespaces import places, shared_memory  # noqa: PLC0415 - a rare wish

        joined = places(container, description.wishes)
        files += shared_memory(container, description.wishes)
    described = bundle.build(
        image,
        wishes,
        user,
        control_group=cgroup.path(container.group),
        hostname=hostname,
        root=root,
        files=files,
        network_namespace=f"{container.running}/netns",
        isolation=isolation,
        joined=joined,
    )
    give_devices(described)
    adapt(described, privileges())
    write_text(f"{container.directory}/config.json", to_json(described))


def _with_vendor_devices(wishes: bundle.Wishes) -> tuple[bundle.Wishes, Callable[[dict[str, Any]], None]]:
    """Add what devices of CDI want to have mounted; give also what changes the configuration for them."""
    if not wishes.vendor_devices:
        return wishes, lambda _: None
    from runtime import cdi  # noqa: PLC0415 - few containers have any

    edits = cdi.find_edits(wishes.vendor_devices)
    taken = {*(mount.target for mount in wishes.mounts), *(tmpfs.target for tmpfs in wishes.tmpfs)}
    mounts = cdi.mounts_of(edits, taken)
    return wishes._replace(mounts=(*wishes.mounts, *mounts)), lambda described: cdi.apply(edits, described)


def _find_user(root: int, wishes: bundle.Wishes, image: Process, engine: Engine) -> User:
    passwd, group = read_inside(root, b"etc/passwd"), read_inside(root, b"etc/group")
    user = find_user(wishes.user or image.user, passwd, group, wishes.groups)
    if engine.name == "runc":
        check_group_names(user, group)
    return user


def _prepare_mounts(
    root: int, container: Container, wishes: bundle.Wishes, image: Process, isolation: Isolation
) -> bundle.Wishes:
    """Make what is to be mounted, and where: most containers have nothing but what preg mounts itself."""
    working_dir = bundle.working_directory(image, wishes)
    if wishes.mounts:
        from runtime.provision import prepare  # noqa: PLC0415

        wishes = prepare(container, wishes, root)
    if wishes.mounts or wishes.tmpfs or isolation.init or not _has_directory(root, working_dir):
        from runtime.mount_points import make_mount_points  # noqa: PLC0415

        more = [Mount(isolation.init, bundle.INIT)] if isolation.init else []
        wishes = make_mount_points(root, wishes, more, working_dir)
    return wishes


def _has_directory(root: int, path: str) -> bool:
    try:
        os.close(open_inside(root, os.fsencode(path), os.O_PATH | os.O_DIRECTORY))
    except OSError:
        return False
    return True
