"""Mounts that outlive a command: those of layers."""

from pathlib import Path

from runtime.kernel import MNT_DETACH, unmount


def below(folder: Path) -> list[str]:
    """Where something is mounted below a directory, what was mounted last first."""
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    targets = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [target for target in reversed(targets) if target.startswith(f"{folder}/")]


def unmount_below(folder: Path) -> None:
    for target in below(folder):
        unmount(target, MNT_DETACH)
