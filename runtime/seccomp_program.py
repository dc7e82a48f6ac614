"""A filter for seccomp(2) as the program that the kernel runs, made by libseccomp.

The OCI runtimes need this library, so it is there where they are.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from typing import Any, Final

#: What becomes of a call (seccomp.h of libseccomp); some have a number in their low half.
_ACTIONS: Final = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_NUMBER: Final = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_OPERATORS: Final = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_OPTIMIZE: Final = 8
_AS_TREE: Final = 2

_LOAD, _IS, _IS_ABOVE, _IS_AT_LEAST, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06  # linux/bpf_common.h
_NUMBER, _ARCHITECTURE = 0, 4  # struct seccomp_data of linux/seccomp.h
_X32_CALLS: Final = 0x40000000


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def compile_filter(seccomp: dict[str, Any]) -> bytes | None:
    """Make the program of ``linux.seccomp``; None if only the OCI runtime itself can, as without the library."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    actions = {seccomp["defaultAction"], *(rule["action"] for rule in seccomp["syscalls"])}
    if not actions <= _ACTIONS.keys():
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    default = _action(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    try:
        return _fill(library, context, seccomp, default)
    finally:
        library.seccomp_release(context)


def _fill(library: ctypes.CDLL, context: ctypes.c_void_p, seccomp: dict[str, Any], default: int) -> bytes | None:
    for name in seccomp["architectures"]:
        token = _architecture(library, name)
        # It may be there already, for the native one is.
        if token and library.seccomp_arch_exist(context, token) and library.seccomp_arch_add(context, token):
            return None
    library.seccomp_attr_set(context, _OPTIMIZE, _AS_TREE)  # older ones cannot, and their filters are slower
    for rule in seccomp["syscalls"]:
        action = _action(rule["action"], rule.get("errnoRet"))
        # Such a rule would be an error, and changes nothing.
        if action != default and not _add(library, context, rule, action):
            return None
    program = _export(library, context)
    if program is None or seccomp["defaultAction"] in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG"):
        return program
    return _refuse_unknown(library, seccomp) + program


def _add(library: ctypes.CDLL, context: ctypes.c_void_p, rule: dict[str, Any], action: int) -> bool:
    arguments = rule.get("args", ())
    comparisons = (_Comparison * len(arguments))(
        *(
            _Comparison(each["index"], _operator(each["op"]), each["value"], each.get("valueTwo", 0))
            for each in arguments
        )
    )
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        # What the library does not know yet falls to the default.
        if number != -1 and library.seccomp_rule_add_array(
            context, ctypes.c_uint32(action), number, len(arguments), comparisons
        ):
            return False
    return True


def _export(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes | None:
    file = os.memfd_create("seccomp")
    try:
        if library.seccomp_export_bpf(context, file):
            return None
        return os.pread(file, os.fstat(file).st_size, 0)
    finally:
        os.close(file)


def _refuse_unknown(library: ctypes.CDLL, seccomp: dict[str, Any]) -> bytes:
    """Make the first part of a program: calls newer than all that the profile knows do not exist.

    runc does the same. C libraries try new calls first, and do without those that do not exist, but not without those
    that are forbidden.
    """
    names = {name.encode() for rule in seccomp["syscalls"] for name in rule["names"]}
    tokens = filter(None, (_architecture(library, each) for each in {*seccomp["architectures"], ""}))
    # Of names that an architecture does not have the library makes up numbers below 0.
    resolve = library.seccomp_syscall_resolve_name_arch
    found = {token: max((resolve(token, name) for name in names), default=-1) for token in tokens}
    last = {token: number for token, number in found.items() if number >= 0}
    x86_64, x32 = _architecture(library, "SCMP_ARCH_X86_64"), _architecture(library, "SCMP_ARCH_X32")
    program = b""
    for token, number in sorted(last.items()):
        if token == x86_64 and x32 in last:
            # The kernel does not tell these two apart but by their numbers.
            checks = [(_IS_ABOVE, 0, 3, number), (_IS_AT_LEAST, 0, 1, _X32_CALLS), (_IS_ABOVE, 0, 1, last[x32])]
        elif token == x32:
            continue
        else:
            checks = [(_IS_ABOVE, 0, 1, number)]
        refuse = [(_RETURN, 0, 0, _action("SCMP_ACT_ERRNO", errno.ENOSYS))]
        block = [(_LOAD, 0, 0, _NUMBER), *checks, *refuse]
        program += _assemble([(_LOAD, 0, 0, _ARCHITECTURE), (_IS, 0, len(block), token), *block])
    return program


def _assemble(instructions: Iterable[tuple[int, int, int, int]]) -> bytes:
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


def _action(name: str, number: int | None) -> int:
    """Give an action as a number; without one of its own an error is EPERM."""
    if name not in _WITH_NUMBER:
        return _ACTIONS[name]
    return _ACTIONS[name] | (errno.EPERM if number is None else number) & 0xFFFF


def _operator(name: str) -> int:
    return _OPERATORS.index(name.removeprefix("SCMP_CMP_")) + 1


def _architecture(library: ctypes.CDLL, name: str) -> int:
    """Give the token of an architecture, the native one for the empty name; 0 if the library does not know it."""
    resolve = library.seccomp_arch_resolve_name
    resolve.restype = library.seccomp_arch_native.restype = ctypes.c_uint32
    if not name:
        return int(library.seccomp_arch_native())
    return int(resolve(name.removeprefix("SCMP_ARCH_").lower().encode()))
