"""What is mounted in a container beside its root."""

from runtime.errors import UsageError
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Final

    from runtime.bundle import Wishes

_STRICT: "Final" = ("nosuid", "noexec", "nodev")
#: Docker's default for /dev/shm.
SHM_SIZE: "Final" = 64 * 1024 * 1024
#: The options of a tmpfs (tmpfs(5)): words that exclude each other have a common name here.
_TMPFS_WORDS: "Final" = {
    word: name
    for name, words in {
        "write": ("rw", "ro"),
        "suid": ("suid", "nosuid"),
        "dev": ("dev", "nodev"),
        "exec": ("exec", "noexec"),
        "sync": ("async", "sync"),
        "atime": ("atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime"),
        "diratime": ("diratime", "nodiratime"),
        "propagation": ("private", "rprivate", "slave", "rslave", "shared", "rshared"),
    }.items()
    for word in words
}
_TMPFS_VALUES: "Final" = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol")


class Mount(NamedTuple):
    """Something that is seen at a path of the container."""

    source: str
    """A path of the host, a volume's name, an image (its ID once the container is made), or nothing for a tmpfs."""
    target: str
    options: tuple[str, ...] = ("rbind", "rprivate")
    kind: str = "bind"
    """``bind``, ``volume``, ``image`` or ``tmpfs``."""
    mode: str = ""
    """The options as they were written with ``-v``."""
    make: bool = False
    """A path of the host is made if it is not there."""
    copy: bool = True
    """A volume that is empty is filled with what the image has at the target."""
    anonymous: bool = False
    """A volume that nobody has named, which goes with the container."""
    volume_options: dict[str, str] = {}  # noqa: RUF012 - never changed
    """What is mounted in a volume that is not there yet, and is made with them."""
    volume_labels: dict[str, str] = {}  # noqa: RUF012 - never changed
    """What is noted about it."""
    subpath: str = ""
    """What of a volume or image is mounted; it must be there."""

    @property
    def writable(self) -> bool:
        """Whether the container may write to it."""
        return not {"ro", "rro"} & set(self.options)

    def describe(self) -> "dict[str, Any]":
        """Say how to mount it (runtime-spec, config.md, "Mounts"); a volume is the path of its data by now."""
        return _mount(self.kind, self.target, *self.options, source=self.source)


class Tmpfs(NamedTuple):
    """A directory of the container that is kept in memory, and gone with it."""

    target: str
    options: tuple[str, ...]
    written: str = ""
    """The options as the person has written them."""

    @property
    def kind(self) -> str:
        """As a mount's."""
        return "tmpfs"

    def describe(self) -> "dict[str, Any]":
        """Say how to mount it."""
        return _mount("tmpfs", self.target, *self.options)


def tmpfs_options(option: str, words: "Iterable[str]") -> tuple[str, ...]:
    """Put the words that were given for a tmpfs together with Docker's defaults. Raises UsageError."""
    given = {"suid": "nosuid", "dev": "nodev", "exec": "noexec"}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals and word in _TMPFS_WORDS:
            given[_TMPFS_WORDS[word]] = word
        elif key == "mode" and (not value or value.strip("01234567") or len(value) > 5):
            raise UsageError(f"{option}: mode is an octal number such as 1777, not {value!r}")
        elif value and key in _TMPFS_VALUES:
            given[key] = word
        else:
            raise UsageError(f"{option}: a tmpfs has no option {word!r}")
    return tuple(given.values())


def all_mounts(wishes: "Wishes", files: "Sequence[Mount]", shared: "Sequence[str]") -> "list[dict[str, Any]]":
    """List what is mounted, what holds others before them. What was asked for takes the place of what would be there.

    ``files`` are those of ``/etc`` that the host provides, ``shared`` its own places for messages between processes.
    """
    asked = [*(volume.describe() for volume in wishes.mounts), *(tmpfs.describe() for tmpfs in wishes.tmpfs)]
    taken = {mount["destination"] for mount in asked}
    provided = [*_file_systems(wishes, shared), *(file.describe() for file in files)]
    for place in {"/dev", "/sys"} & taken:
        # What was asked for may have links there, which OCI runtimes follow.
        provided = [mount for mount in provided if not mount["destination"].startswith(f"{place}/")]
    if wishes.read_only:
        for mount in provided:
            if mount["type"] in ("bind", "sysfs"):
                mount["options"].append("ro")
    kept = [mount for mount in provided if mount["destination"] not in taken]
    return sorted([*kept, *asked], key=lambda mount: mount["destination"].count("/"))


def _file_systems(wishes: "Wishes", shared: "Sequence[str]") -> "list[dict[str, Any]]":
    """List those of the kernel (moby, oci/defaults.go)."""
    sys = () if wishes.privileged and not wishes.read_only else ("ro",)
    cgroup = () if wishes.privileged else ("ro",)
    mounts = [
        _mount("proc", "/proc", *_STRICT),
        _mount("tmpfs", "/dev", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("devpts", "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        _mount("sysfs", "/sys", *_STRICT, *sys),
        _mount("cgroup", "/sys/fs/cgroup", *_STRICT, *cgroup),
    ]
    if wishes.ipc == "host":
        mounts += [Mount(path, path).describe() for path in shared]
    if wishes.ipc != "host" or "/dev/mqueue" not in shared:
        mounts.append(_mount("mqueue", "/dev/mqueue", *_STRICT))
    if wishes.ipc in ("private", "shareable"):
        size = f"size={wishes.shm_size}"
        mounts.append(_mount("tmpfs", "/dev/shm", *_STRICT, "mode=1777", size, source="shm"))  # noqa: S108
    return mounts


def _mount(kind: str, target: str, *options: str, source: str = "") -> "dict[str, Any]":
    return {"destination": target, "type": kind, "source": source or kind, "options": list(options)}
