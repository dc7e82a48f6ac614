"""System calls that Python does not offer.

Called by the part of ``ctypes`` that is written in C: the rest takes as long to import as they all take together.
"""

from __future__ import annotations

import errno
import os
import sys

from runtime.lean import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Final

#: That of containers, and of what is made for them, as with Docker: whatever it is for those who ask.
UMASK: Final = 0o022
MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_SLAVE: Final = 0x80000
MNT_DETACH: Final = 2
_CLONE_FS: Final = 0x200
_CLONE_NEWNS: Final = 0x20000
_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWUSER: Final = 0x10000000
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9
_PR_SET_CHILD_SUBREAPER: Final = 36
_SYNC_FILE_RANGE_WRITE: Final = 2
#: Written to, made, renamed, or gone itself.
_IN_CHANGED: Final = 0x2 | 0x100 | 0x80 | 0x400

#: The same number on every architecture that Python's Linux builds know.
_SYS_OPENAT2: Final = 437
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_IN_ROOT: Final = 0x10
_ATTEMPTS: Final = 64
_SYS_OPEN_TREE: Final = 428
_SYS_FACCESSAT2: Final = 439
_AT_EACCESS: Final = 0x200
_SYS_MOUNT_SETATTR: Final = 442
_AT_FDCWD: Final = -100
_SYS_MOVE_MOUNT: Final = 429
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4
_OPEN_TREE_CLONE: Final = 1
_MOUNT_ATTR_RDONLY: Final = 1

_errno: Callable[[], int]
_word: Callable[[int], object]
_function: Callable[[str], Callable[..., int]]
"""Finds a function of the C library that returns an int. Raises OSError or AttributeError where there is none."""

try:
    import _ctypes

    class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001 - what c_int is made of
        _type_ = "i"

    class _Word(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001 - what c_void_p is made of
        """An argument of any integer type, which the calling conventions of Linux all widen to this."""

        _type_ = "P"

    class _Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
        _restype_ = _Int

    _libraries: Final = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # dlopen(3) takes NULL: the program itself
    _symbol: Final = _ctypes.dlsym
    _errno, _word = _ctypes.get_errno, _Word

    def _function(name: str) -> Callable[..., int]:
        return _Function(_symbol(_libraries, name))

except (AttributeError, ImportError, TypeError):  # the private parts of another Python
    import ctypes

    _errno, _word = ctypes.get_errno, ctypes.c_void_p
    _function = ctypes.CDLL(None, use_errno=True).__getitem__


def _call(name: str, *arguments: int | bytes | None, about: str = "") -> int:
    """Call a function of the C library that gives less than 0 if it fails. Raises OSError, ``about`` a path."""
    result = _function(name)(*[_word(value) if isinstance(value, int) else value for value in arguments])
    if result < 0:
        number = _errno()
        raise OSError(number, os.strerror(number), about or None)
    return result


def open_inside(root: int, path: bytes, flags: int, *, links: bool = True) -> int:
    """Open a path below an open directory as a process would whose root that is (openat2(2), RESOLVE_IN_ROOT).

    Neither ``..`` nor a symbolic link, absolute or not, leads outside; without ``links`` none is followed at all.
    Raises OSError.
    """
    resolve = _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS | (0 if links else _RESOLVE_NO_SYMLINKS)
    how = b"".join(number.to_bytes(8, sys.byteorder) for number in (flags | os.O_CLOEXEC, 0, resolve))
    arguments = (_SYS_OPENAT2, root, path, how, len(how))
    for _ in range(_ATTEMPTS):
        # The kernel cannot tell when something was renamed or mounted while it looked.
        with suppress(BlockingIOError):
            return _call("syscall", *arguments, about=os.fsdecode(path))
    return _call("syscall", *arguments, about=os.fsdecode(path))


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount (mount(2)). Raises OSError."""
    arguments = (source.encode(), os.fsencode(target), kind.encode(), flags, os.fsencode(data) or None)
    _call("mount", *arguments, about=target)


def open_read_only(path: str) -> int:
    """Open a file for execution in a mount of its own, to which nobody can write and which nobody else sees.

    See open_tree(2) and mount_setattr(2). Raises OSError.
    """
    opened = _call("syscall", _SYS_OPEN_TREE, _AT_FDCWD, path.encode(), _OPEN_TREE_CLONE | os.O_CLOEXEC, about=path)
    attributes = b"".join(number.to_bytes(8, sys.byteorder) for number in (_MOUNT_ATTR_RDONLY, 0, 0, 0))
    try:
        _call("syscall", _SYS_MOUNT_SETATTR, opened, b"", _AT_EMPTY_PATH, attributes, len(attributes), about=path)
    except OSError:
        os.close(opened)
        raise
    return opened


def clone_tree(path: str) -> int:
    """Open a copy of what is mounted at a path and below it, which is not mounted anywhere (open_tree(2)).

    Raises OSError.
    """
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    return _call("syscall", _SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags, about=path)


def attach_tree(tree: int, path: str) -> None:
    """Mount such a copy (move_mount(2)). Raises OSError."""
    _call("syscall", _SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(path), _MOVE_MOUNT_F_EMPTY_PATH, about=path)


def unmount(target: str, flags: int = 0) -> None:
    """Unmount (umount2(2)). Raises OSError."""
    _call("umount2", os.fsencode(target), flags, about=target)


def is_mount_point(path: str) -> bool:
    """Tell whether something is mounted at a path, also a directory of the same file system. Raises OSError."""
    return _mount_id(path) != _mount_id(os.path.dirname(path))


def _mount_id(path: str) -> str:
    opened = os.open(path, os.O_PATH)
    try:
        with open(f"/proc/self/fdinfo/{opened}", encoding="ascii") as file:
            return next(line for line in file if line.startswith("mnt_id:"))
    finally:
        os.close(opened)


def unshare_mounts() -> None:
    """Give this process mounts of its own: what it mounts is seen by its children alone, and gone when they are.

    Raises OSError.
    """
    try:
        _call("unshare", _CLONE_NEWNS)
    except PermissionError as error:
        sentence = "this process cannot have mounts of its own, which containers need: it lacks CAP_SYS_ADMIN"
        raise OSError(errno.EPERM, sentence, "/") from error
    try:
        mount("none", "/", "", MS_REC | MS_SLAVE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        sentence = "it is no mount point, as in a chroot: bind it to itself (mount --bind DIR DIR) before entering it"
        raise OSError(errno.EINVAL, sentence, "/") from error


def unshare_user() -> None:
    """Give this process a user namespace of its own, in which it has every capability, and mounts that belong to it.

    Raises OSError.
    """
    _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNS)


def join_user(namespace: int) -> None:
    """Enter the user namespace that an open file stands for, with every capability in it. Raises OSError."""
    _call("setns", namespace, _CLONE_NEWUSER)


def join_mounts(namespace: int, root: int) -> None:
    """Enter the mount namespace that an open file stands for (setns(2)), with an open directory of it as our root.

    Nothing happens if we are in it. Raises OSError.
    """
    if os.path.samestat(os.fstat(namespace), os.stat("/proc/self/ns/mnt")):
        return
    # No thread of ours that has not ended yet must share our working directory, which changes.
    _call("unshare", _CLONE_FS)
    _call("setns", namespace, _CLONE_NEWNS)
    # The kernel has made the namespace's root ours, which it is not in a chroot.
    os.fchdir(root)
    os.chroot(".")


@contextmanager
def opened_mounts() -> Iterator[tuple[int, int]]:
    """Open what ``join_mounts`` takes to come to the mounts that we have now. Raises OSError."""
    files = []
    try:
        files.append(os.open("/proc/self/ns/mnt", os.O_RDONLY))
        files.append(os.open("/", os.O_PATH | os.O_DIRECTORY))
        yield files[0], files[1]
    finally:
        for file in files:
            os.close(file)


def may_execute(root: int, path: bytes, uid: int, groups: Sequence[int]) -> bool:
    """Tell whether a user may execute a path below an open directory; what is not there, or cannot be told, passes.

    The first of the groups is the user's own.
    """
    before = os.getgroups()
    try:
        os.setgroups(groups)
    except OSError:  # of a user namespace that has one group
        return True
    try:
        _call("setfsgid", groups[0])
        _call("setfsuid", uid)
        opened = open_inside(root, path, os.O_PATH)
        try:
            _call("syscall", _SYS_FACCESSAT2, opened, b"", os.X_OK, _AT_EACCESS | _AT_EMPTY_PATH)
        finally:
            os.close(opened)
    except OSError as error:
        return error.errno != errno.EACCES
    finally:
        _call("setfsuid", os.geteuid())
        _call("setfsgid", os.getegid())
        os.setgroups(before)
    return True


def unshare_network() -> None:
    """Give this process a network of its own, in which there is only a loopback that is down. Raises OSError."""
    _call("unshare", _CLONE_NEWNET)


def join_network(namespace: int) -> None:
    """Enter the network namespace that an open file stands for (setns(2)). Raises OSError."""
    _call("setns", namespace, _CLONE_NEWNET)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def give_back_memory() -> None:
    """Give what was allocated and freed back to the kernel (malloc_trim(3)); not every C library can."""
    with suppress(AttributeError, OSError):
        _call("malloc_trim", 0)


def die_with_parent() -> None:
    """Be killed when the thread ends that has started this process (prctl(2), PR_SET_PDEATHSIG)."""
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def name_process(name: str) -> None:
    """Let this process be listed under a name, not with the words it was started with (proc(5), arg_start)."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        os.pwrite(memory.fileno(), name.encode()[: end - start - 1].ljust(end - start, b"\0"), start)


def watch_folder(path: str) -> int:
    """Give a file that can be read when something in a folder has changed (inotify(7)). Raises OSError."""
    watching = _call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _call("inotify_add_watch", watching, os.fsencode(path), _IN_CHANGED, about=path)
    except OSError:
        os.close(watching)
        raise
    return watching


def sync_file_system(file: int) -> None:
    """Make all of a file system durable (syncfs(2)); for many files at once this is far cheaper than fsync of each."""
    _call("syncfs", file)


def start_writeback(file: int, start: int, size: int) -> None:
    """Have the kernel begin to write a part of a file to disk (sync_file_range(2)); what fails, fsync tells."""
    with suppress(OSError):
        _call("sync_file_range", file, start, size, _SYNC_FILE_RANGE_WRITE)
