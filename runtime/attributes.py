"""Extended attributes that an image may bring, and the mode that some of them imply.

Those of overlayfs and of the host's security policies it may not. What the kernel would refuse is passed over, as by
Docker: so it is the same whether the kernel is asked (setxattr(2)) or the attributes are written by us.
"""

import stat
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from runtime.tar import Entry

_CAPABILITY: Final = b"security.capability"
#: Revisions and sizes (kernel, include/uapi/linux/capability.h).
_CAPABILITY_FORMS: Final = {(2, 20), (3, 24)}
_ACCESS: Final = b"system.posix_acl_access"
_DEFAULT: Final = b"system.posix_acl_default"
#: Tags of access control lists (kernel, include/uapi/linux/posix_acl.h), in the order in which they must come.
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 1, 2, 4, 8, 16, 32
_BASE: Final = 3


def dress(entry: "Entry") -> tuple[int, dict[bytes, bytes]]:
    """Give the mode and the attributes of an entry."""
    mode = 0o777 if entry.kind == stat.S_IFLNK else entry.mode
    if not entry.xattrs:
        return mode, entry.xattrs
    kept = {key: value for key, value in entry.xattrs.items() if _is_allowed(entry.kind, key, value)}
    if _ACCESS not in kept:
        return mode, kept
    acl = _read_acl(kept[_ACCESS])
    if len(acl) == _BASE:
        del kept[_ACCESS]  # it says no more than the mode
    permissions = dict(acl)
    group = permissions.get(_MASK, permissions[_GROUP])
    return mode & ~0o777 | permissions[_OWNER] << 6 | group << 3 | permissions[_OTHER], kept


def _is_allowed(kind: int, key: bytes, value: bytes) -> bool:
    if key == _CAPABILITY:
        return len(value) > 3 and (value[3], len(value)) in _CAPABILITY_FORMS
    if key == _ACCESS:
        return kind != stat.S_IFLNK and bool(_read_acl(value))
    if key == _DEFAULT:
        return kind == stat.S_IFDIR and bool(_read_acl(value))
    if kind not in (stat.S_IFREG, stat.S_IFDIR) or key.startswith(b"user.overlay."):
        return False
    return key.startswith(b"user.") and len(b"user.") < len(key) <= 255 and b"\0" not in key


def _read_acl(value: bytes) -> list[tuple[int, int]]:
    """Read tags and permissions; nothing if the kernel would not take the list (posix_acl_valid)."""
    if len(value) % 8 != 4 or int.from_bytes(value[:4], "little") != 2:
        return []
    entries = [(tag, permissions) for tag, permissions, _ in struct.iter_unpack("<HHI", value[4:])]
    tags = [tag for tag, _ in entries]
    once = [tag for tag in tags if tag not in (_USER, _NAMED_GROUP)]
    wanted = [_OWNER, _GROUP, _OTHER] if _MASK not in tags else [_OWNER, _GROUP, _MASK, _OTHER]
    if once != wanted or tags != sorted(tags) or any(permissions > 7 for _, permissions in entries):
        return []
    return entries if _MASK in tags or len(tags) == _BASE else []
