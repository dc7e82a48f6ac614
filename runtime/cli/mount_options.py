"""What a person wants to have mounted: ``-v``, ``--mount`` and ``--volumes-from``, in Docker's forms."""

from __future__ import annotations

import os

from runtime.cli.labels import read_labels
from runtime.cli.quantities import read_size
from runtime.cli.volume_options import read_volume_options
from runtime.errors import UsageError
from runtime.lean import NamedTuple
from runtime.mounts import Mount, tmpfs_options
from runtime.record import read
from runtime.volumes import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.cli.options import Options

_PROPAGATIONS: Final = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
#: Those of SELinux, and of Docker Desktop, which mean nothing here; scripts give them.
_IGNORED: Final = ("z", "Z", "consistent", "cached", "delegated")
#: Of these one word each.
_CHOICES: Final = (("ro", "rw"), _PROPAGATIONS, ("z", "Z"), ("nocopy",), ("consistent", "cached", "delegated"))
_FORM: Final = "[SOURCE:]CONTAINER[:OPTIONS], where SOURCE is a path or the name of a volume"


def ask_mounts(options: Options, wishes: Wishes) -> Wishes:
    """Add to the wishes what the options say. Raises UsageError, and Fault if there is no such container."""
    driver = options.last("--volume-driver")
    if driver not in (None, "", "local"):
        raise UsageError(f"--volume-driver {driver}: there is only the driver local")
    memory = _read_tmpfs_targets(options.all("--tmpfs"))
    mounts = read_mounts(options.all("--volume"), options.all("--mount"), memory)
    return wishes._replace(mounts=_borrow(mounts, options.all("--volumes-from"), memory))


def _read_tmpfs_targets(texts: list[str]) -> list[str]:
    if not texts:
        return []
    from runtime.cli.isolation_options import read_tmpfs  # noqa: PLC0415 - as few have both

    return [read_tmpfs(text).target for text in texts]


def read_mounts(volumes: Iterable[str], mounts: Iterable[str], memory: Iterable[str] = ()) -> tuple[Mount, ...]:
    """Read all of ``-v`` and ``--mount``; ``memory`` are the targets of ``--tmpfs``. Raises UsageError."""
    found: dict[str, Mount] = {}
    for mount in (*map(read_volume, volumes), *map(read_mount, mounts)):
        if mount.target in (*found, *memory):
            raise UsageError(f"Duplicate mount point: {mount.target}")
        found[mount.target] = mount
    return tuple(found.values())


def _borrow(mounts: tuple[Mount, ...], sources: list[str], memory: list[str]) -> tuple[Mount, ...]:
    """Add what other containers have mounted, but where something is mounted already. Raises Fault."""
    if not sources:
        return mounts  # as nearly all containers
    from runtime.cli.targets import here  # noqa: PLC0415

    found, containers = {mount.target: mount for mount in mounts}, here()
    for text in sources:
        name, colon, access = text.partition(":")
        if colon and access not in ("ro", "rw"):
            raise UsageError(f"--volumes-from {text!r}: it is CONTAINER[:ro]")
        for values in containers.find(name).describe().wishes.get("mounts", ()):
            mount = read(Mount, values)._replace(copy=False)
            if access == "ro":
                mount = mount._replace(options=(*mount.options, "ro"))
            if mount.kind != "tmpfs" and mount.target not in memory:
                found.setdefault(mount.target, mount)
    return tuple(found.values())


def read_volume(text: str) -> Mount:
    """Read what ``-v`` takes. Raises UsageError."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts) or "\0" in text:
        raise UsageError(f"-v {text!r}: it is {_FORM}")
    mode = parts[2] if len(parts) == 3 else ""
    option = f"-v {text!r}"
    words = _read_mode(mode, option)
    # A path alone begins at the root, as with Docker, whose command takes it for one of this host at first.
    target = _read_target(f"/{text}" if len(parts) == 1 else parts[1], option)
    if len(parts) == 1:
        return Mount("", target, ("rbind", "rprivate"), kind="volume", anonymous=True)
    if parts[0].startswith(("/", ".")):
        return Mount(os.path.abspath(parts[0]), target, _bind_options(words, option), mode=mode, make=True)
    check_name(parts[0])
    access = [word for word in words if word in ("ro", "rw")]
    for word in words:
        if word not in ("ro", "rw", "nocopy", *_IGNORED):
            raise UsageError(f"{option}: a volume has no option {word!r}, but ro, rw and nocopy")
    return Mount(parts[0], target, ("rbind", "rprivate", *access), kind="volume", mode=mode, copy="nocopy" not in words)


def _read_mode(mode: str, option: str) -> list[str]:
    """Read what comes last in ``-v``. Raises UsageError for words that contradict each other."""
    words = mode.split(",") if mode else []
    for choices in _CHOICES:
        if sum(word in choices for word in words) > 1:
            raise UsageError(f"{option}: invalid mode: {mode}: give one of {', '.join(choices)}, once")
    return words


def _bind_options(words: list[str], option: str) -> tuple[str, ...]:
    given = []
    for word in words:
        if word not in ("ro", "rw", *_PROPAGATIONS, *_IGNORED):
            raise UsageError(f"{option}: a path of this host has no option {word!r}, but ro, rw and a propagation")
        if word not in _IGNORED:
            # What is mounted below it would stay writable otherwise, as it did with Docker before its version 25.
            given.append("rro" if word == "ro" else word)
    if not any(word in _PROPAGATIONS for word in given):
        given.append("rprivate")
    return ("rbind", *given)


class _Fields:
    """The fields of ``--mount``: each is taken once, and none may be left."""

    def __init__(self, text: str) -> None:
        self.option = f"--mount {text!r}"
        self._values: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        for key, value in self._split(text):
            if key in _LISTS:
                self._lists.setdefault(key, []).append(value)
            else:
                self._values[key] = value

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        if "\0" in text or "\n" in text or "\r" in text:
            raise UsageError(f"{self.option}: it may not hold a zero byte or a line's end")
        from _csv import Error, reader  # noqa: PLC0415 - for the rarer form; the module around it imports much

        try:
            (fields,) = reader([text], strict=True)
        except (Error, ValueError) as error:
            raise UsageError(f"{self.option}: the quotes are wrong") from error
        for field in fields:
            key, equals, value = field.partition("=")
            key = _ALIASES.get(key.strip().lower(), key.strip().lower())
            if key not in _KEYS:
                raise UsageError(f"{self.option}: there is no field {key!r}, but {', '.join(sorted(_KEYS))}")
            if not equals and key not in _SWITCHES:
                raise UsageError(f"{self.option}: a field is KEY=VALUE, and {field!r} is not")
            yield key, value if equals else "true"

    def take(self, key: str, default: str = "") -> str:
        return self._values.pop(key, default)

    def take_all(self, key: str) -> list[str]:
        return self._lists.pop(key, [])

    def switch(self, key: str) -> bool:
        text = self.take(key, "false")
        if text not in ("true", "1", "false", "0"):
            raise UsageError(f"{self.option}: {key} is true or false, not {text!r}")
        return text in ("true", "1")

    def one_of(self, key: str, words: tuple[str, ...]) -> str:
        text = self.take(key, words[0])
        if text not in words:
            raise UsageError(f"{self.option}: {key} is one of {', '.join(words)}, not {text!r}")
        return text

    def finish(self, kind: str) -> None:
        for key in (*self._values, *self._lists):
            raise UsageError(f"{self.option}: {key} is not for the type {kind}")


_ALIASES: Final = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_SWITCHES: Final = ("readonly", "volume-nocopy", "bind-nonrecursive")
#: Those that may be given more than once.
_LISTS: Final = ("volume-label", "volume-opt")
_KEYS: Final = (
    "type",
    "source",
    "target",
    "readonly",
    "consistency",
    "bind-propagation",
    "bind-recursive",
    "bind-nonrecursive",
    "volume-nocopy",
    "volume-driver",
    "volume-label",
    "volume-opt",
    "volume-subpath",
    "image-subpath",
    "tmpfs-size",
    "tmpfs-mode",
)


def read_mount(text: str) -> Mount:
    """Read what ``--mount`` takes: ``type=TYPE,source=SOURCE,target=CONTAINER`` and more. Raises UsageError."""
    fields = _Fields(text)
    kind = fields.one_of("type", ("volume", "bind", "tmpfs", "image"))
    common = _Common(
        fields.take("source"), _read_target(fields.take("target"), fields.option), fields.switch("readonly")
    )
    fields.take("consistency")
    reader = {"volume": _read_named, "bind": _read_bind, "tmpfs": _read_tmpfs, "image": _read_image}[kind]
    mount = reader(fields, common)
    fields.finish(kind)
    return mount


class _Common(NamedTuple):
    source: str
    target: str
    readonly: bool


def _read_named(fields: _Fields, common: _Common) -> Mount:
    fields.one_of("volume-driver", ("local",))
    if common.source:
        check_name(common.source)
    options = ("rbind", "rprivate", *(("ro",) if common.readonly else ()))
    return Mount(
        common.source,
        common.target,
        options,
        kind="volume",
        copy=not fields.switch("volume-nocopy"),
        anonymous=not common.source,
        volume_options=read_volume_options(fields.take_all("volume-opt"), f"{fields.option}: volume-opt"),
        volume_labels=read_labels(fields.take_all("volume-label")),
        subpath=_read_subpath(fields, "volume-subpath"),
    )


def _read_image(fields: _Fields, common: _Common) -> Mount:
    if not common.source:
        raise UsageError(f"{fields.option}: say which image: source=NAME")
    subpath = _read_subpath(fields, "image-subpath")
    return Mount(common.source, common.target, ("rbind", "rprivate", "ro"), kind="image", subpath=subpath)


def _read_subpath(fields: _Fields, key: str) -> str:
    text = fields.take(key)
    if text.startswith("/") or ".." in text.split("/"):
        raise UsageError(f"{fields.option}: {key} is a path within it, such as a/b")
    return text


def _read_bind(fields: _Fields, common: _Common) -> Mount:
    if not common.source.startswith(("/", ".")):
        raise UsageError(f"{fields.option}: the source of a bind is a path that begins with / or a dot")
    recursion = fields.one_of("bind-recursive", ("enabled", "disabled", "writable", "readonly"))
    if fields.switch("bind-nonrecursive"):
        recursion = "disabled"
    propagation = fields.one_of("bind-propagation", ("rprivate", *_PROPAGATIONS))
    if recursion == "readonly" and (not common.readonly or propagation != "rprivate"):
        raise UsageError(f"{fields.option}: bind-recursive=readonly needs readonly, and bind-propagation=rprivate")
    if not os.path.exists(common.source):
        raise UsageError(f"{fields.option}: there is no {common.source} on this host; -v would make it")
    how = "rro" if recursion in ("enabled", "readonly") else "ro"
    access = (how,) if common.readonly else ()
    # crun takes the recursion of the propagation for that of the mount.
    options = ("bind", propagation.removeprefix("r")) if recursion == "disabled" else ("rbind", propagation)
    return Mount(os.path.abspath(common.source), common.target, (*options, *access))


def _read_tmpfs(fields: _Fields, common: _Common) -> Mount:
    if common.source:
        raise UsageError(f"{fields.option}: a tmpfs has no source")
    options = ["ro"] if common.readonly else []
    if mode := fields.take("tmpfs-mode"):
        options.append(f"mode={mode}")
    if size := fields.take("tmpfs-size"):
        options.append(f"size={read_size(f'{fields.option}: tmpfs-size', size)}")
    return Mount("", common.target, tmpfs_options(fields.option, options), kind="tmpfs")


def _read_target(text: str, option: str) -> str:
    if not text.startswith("/"):
        raise UsageError(f"{option}: the path in the container must be absolute")
    # Not os.path.normpath alone, which leaves two slashes at the start.
    target = os.path.normpath(f"/{text.lstrip('/')}")
    if target == "/":
        raise UsageError(f"{option}: the container's root cannot be replaced")
    return target
