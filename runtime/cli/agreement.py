"""Asking the person at the terminal before something is removed."""

import sys


def agreed(what: str) -> bool:
    """Say what will be removed, and ask whether it may."""
    sys.stderr.write(f"This removes {what}. Are you sure? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
