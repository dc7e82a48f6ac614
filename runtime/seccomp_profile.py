"""What a profile for seccomp(2) says, in Docker's format or in that of ``seccomp_default.txt``, and what it comes to.

Nothing here is needed to start a container whose filter is there already.
"""

import os
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from runtime.errors import Fault

#: What Docker calls an architecture in conditions, and libseccomp in filters, by what uname(2) says.
_ARCHITECTURES: Final = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "i686": ("x86", "SCMP_ARCH_X86"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "loongarch64": ("loongarch64", "SCMP_ARCH_LOONGARCH64"),
}
#: Those that libseccomp knows besides; a profile may name any.
_OTHER_ARCHITECTURES: Final = (
    *("X32", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC", "PPC64", "S390", "PARISC"),
    *("PARISC64", "M68K", "SH", "SHEB"),
)
_OPERATORS: "Final[dict[str, Comparison]]" = {
    "!=": "SCMP_CMP_NE",
    "<": "SCMP_CMP_LT",
    "<=": "SCMP_CMP_LE",
    "==": "SCMP_CMP_EQ",
    ">=": "SCMP_CMP_GE",
    ">": "SCMP_CMP_GT",
}
#: A call, with what its argument must be in parentheses.
_CALL: Final = re.compile(r"(\w+)(?:\((\d) (?:& (\w+) )?(!=|<=|>=|==|<|>) (\w+)\))?(?:\s+|$)")
_HEADING: Final = re.compile(r"(allow|errno (\d+))(?: if ([\w ]+?))?(?: unless ([\w ]+))?:")


Action = Literal[
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_LOG",
    "SCMP_ACT_ALLOW",
]
Comparison = Literal[
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
]
Flag = Literal["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
_PASSING: Final = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")
#: Any other number the kernel would take for another.
Errno = Annotated[int, msgspec.Meta(ge=0, le=4095)]
Word = Annotated[int, msgspec.Meta(ge=0)]


class Argument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an argument of a call must be (runtime-spec, config-linux.md, "Seccomp")."""

    index: Annotated[int, msgspec.Meta(ge=0, le=5)]
    value: Word
    op: Comparison
    value_two: Word = msgspec.field(name="valueTwo", default=0)


class Condition(msgspec.Struct, frozen=True):
    """When a rule counts; Docker writes null for what is empty."""

    caps: list[str] | None = None
    arches: list[str] | None = None
    min_kernel: Annotated[str, msgspec.Meta(pattern=r"^(\d+\.\d+)?$")] | None = msgspec.field(
        name="minKernel", default=None
    )


class Rule(msgspec.Struct, frozen=True):
    """What becomes of some calls."""

    action: Action
    names: list[str] | None = None
    name: str | None = None
    errno: Errno | None = msgspec.field(name="errnoRet", default=None)
    args: list[Argument] | None = None
    includes: Condition | None = None
    excludes: Condition | None = None


class Architecture(msgspec.Struct, frozen=True):
    """An architecture, and the others whose calls its kernels take."""

    architecture: str
    others: list[str] | None = msgspec.field(name="subArchitectures", default=None)


class Profile(msgspec.Struct, frozen=True):
    """A profile in Docker's format."""

    default_action: Action = msgspec.field(name="defaultAction")
    default_errno: Errno | None = msgspec.field(name="defaultErrnoRet", default=None)
    architectures: list[str] | None = None
    arch_map: list[Architecture] | None = msgspec.field(name="archMap", default=None)
    flags: list[Flag] | None = None
    syscalls: list[Rule] | None = None


class Host(msgspec.Struct, frozen=True):
    """What the conditions of a profile ask about."""

    machine: str
    kernel: str
    capabilities: frozenset[str]
    image: str = ""
    """The architecture of the container's image, in Go's words."""

    @classmethod
    def here(cls, capabilities: frozenset[str], image: str = "") -> "Host":
        """This host, for a container with these capabilities and an image for that architecture."""
        uname = os.uname()
        return cls(uname.machine, uname.release, capabilities, image)


def parse_profile(text: str, name: str) -> Profile:
    """Read a profile in Docker's format. Raises Fault; ``name`` says of what."""
    try:
        profile = msgspec.json.decode(text, type=Profile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Fault(f"the seccomp profile {name} cannot be read: {error}") from error
    if profile.architectures and profile.arch_map:
        raise Fault(f"the seccomp profile {name} has both 'architectures' and 'archMap': take one away")
    if any(rule.name and rule.names for rule in profile.syscalls or ()):
        raise Fault(f"the seccomp profile {name} has a rule with both 'name' and 'names': take one away")
    if unknown := sorted(_named_architectures(profile) - _known_architectures()):
        raise Fault(f"the seccomp profile {name} names an architecture that there is not: {unknown[0][:100]}")
    if not _lets_begin(profile):
        raise Fault(f"the seccomp profile {name} allows no call execve, without which no command can be started")
    return profile


def _named_architectures(profile: Profile) -> set[str]:
    mapped = [[each.architecture, *(each.others or ())] for each in profile.arch_map or ()]
    return {*(profile.architectures or ()), *(name for names in mapped for name in names)}


def _known_architectures() -> set[str]:
    return {*(name for _, name in _ARCHITECTURES.values()), *(f"SCMP_ARCH_{name}" for name in _OTHER_ARCHITECTURES)}


def _lets_begin(profile: Profile) -> bool:
    """Tell whether the call is allowed that a container's command begins with, whatever the conditions."""
    if profile.default_action in _PASSING:
        return True
    rules = (rule for rule in profile.syscalls or () if rule.action in _PASSING)
    return any("execve" in (rule.names or (rule.name,)) for rule in rules)


def parse_default(text: str) -> Profile:
    """Read ``seccomp_default.txt``, which explains itself. Raises ValueError, for it is ours."""
    errno = 0
    architectures: list[Architecture] = []
    rules: list[Rule] = []
    for heading, content in _sections(text):
        words = content.split()
        if heading.startswith("default errno "):
            errno = int(heading.rpartition(" ")[2])
        elif heading == "architectures:":
            rows = [[f"SCMP_ARCH_{word.upper()}" for word in row.split()] for row in content.splitlines()]
            architectures = [Architecture(first, others) for first, *others in rows]
        elif found := _HEADING.fullmatch(heading):
            _, number, includes, excludes = found.groups()
            rules += _read_rules(" ".join(words), number, _condition(includes), _condition(excludes))
        else:
            raise ValueError(f"no heading: {heading}")
    return Profile("SCMP_ACT_ERRNO", default_errno=errno, arch_map=architectures, syscalls=rules)


def resolve(profile: Profile, host: Host) -> dict[str, Any]:
    """Give what of a profile counts on a host, as ``linux.seccomp`` of a configuration."""
    native, own = _ARCHITECTURES.get(host.machine, (host.machine, ""))
    architectures = list(profile.architectures or ())
    for each in profile.arch_map or ():
        if each.architecture == own:
            architectures += [own, *(each.others or ())]
    resolved = {
        "defaultAction": profile.default_action,
        "defaultErrnoRet": profile.default_errno,
        "architectures": architectures,
        "flags": profile.flags,
        "syscalls": [
            _without_none(
                {
                    "names": [rule.name] if rule.name else rule.names or [],
                    "action": rule.action,
                    "errnoRet": rule.errno,
                    "args": msgspec.to_builtins(rule.args) or None,
                }
            )
            for rule in profile.syscalls or ()
            if _counts(rule, {native, host.image}, host)
        ],
    }
    return _without_none(resolved)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Give each heading with the lines that are indented below it."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    headings = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    for first, end in zip(headings, [*headings[1:], len(lines)], strict=True):
        yield lines[first], "\n".join(lines[first + 1 : end])


def _condition(words: str | None) -> Condition | None:
    if words is None:
        return None
    caps = [word for word in words.split() if word.startswith("CAP_")]
    return Condition(caps=caps, arches=[word for word in words.split() if word not in caps])


def _read_rules(
    calls: str, errno: str | None, includes: Condition | None, excludes: Condition | None
) -> Iterator[Rule]:
    """Give a rule for the calls that need nothing of their arguments, and one for each of the others."""
    action: Action = "SCMP_ACT_ALLOW" if errno is None else "SCMP_ACT_ERRNO"
    number = None if errno is None else int(errno)
    plain, position = [], 0
    while position < len(calls):
        found = _CALL.match(calls, position)
        if found is None:
            raise ValueError(f"no call: {calls[position:]}")
        name, index, mask, operator, value = found.groups()
        if operator is None:
            plain.append(name)
        else:
            if mask is None:
                argument = Argument(int(index), int(value, 0), _OPERATORS[operator])
            else:
                argument = Argument(int(index), int(mask, 0), "SCMP_CMP_MASKED_EQ", int(value, 0))
            yield Rule(action, [name], errno=number, args=[argument], includes=includes, excludes=excludes)
        position = found.end()
    if plain:
        yield Rule(action, plain, errno=number, includes=includes, excludes=excludes)


def _counts(rule: Rule, architectures: set[str], host: Host) -> bool:
    yes, no = rule.includes or Condition(), rule.excludes or Condition()
    if not architectures.isdisjoint(no.arches or ()) or not host.capabilities.isdisjoint(no.caps or ()):
        return False
    if no.min_kernel and _is_at_least(host.kernel, no.min_kernel):
        return False
    if yes.arches and architectures.isdisjoint(yes.arches):
        return False
    if yes.min_kernel and not _is_at_least(host.kernel, yes.min_kernel):
        return False
    return host.capabilities.issuperset(yes.caps or ())


def _is_at_least(kernel: str, wanted: str) -> bool:
    return _version(kernel) >= _version(wanted)


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
