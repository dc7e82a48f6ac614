"""``python -m runtime`` is ``preg``."""

from runtime.cli import program

program()
