"""What the person at the terminal has to know, as classes; each is printed as one line."""

from __future__ import annotations


class Fault(Exception):
    """An expected failure. Its text says what failed, on what, and what to do."""

    status: int | None = None
    """The exit status, where it is not that of every failure of the command."""


def in_words(fault: Exception) -> str:
    """Give the text of a fault, or of an OSError as a person reads it."""
    if isinstance(fault, OSError) and fault.strerror:
        return f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror
    return str(fault)


class UsageError(Fault):
    """Words on the command line that cannot be understood."""


class NotFound(Fault):
    """Something that was named is not on this host."""


class Damaged(Fault):
    """A note on this host that cannot be read."""


class LayerInvalid(Fault):
    """A layer that is damaged, hostile, or not what its image says."""


class CommandFailed(Fault):
    """The container is ready and its command cannot be executed. ``status`` is what a shell gives then."""


class CommandNotFound(CommandFailed):
    """The command is not in the container's file system."""

    status = 127


class CommandNotExecutable(CommandFailed):
    """The command is there and is no program, or not one for this user."""

    status = 126
