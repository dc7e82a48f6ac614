"""``preg system restore``: start again what ran when the host went down."""

import sys
from typing import Final

from runtime.cli.options import Usage
from runtime.cli.start import enter_for_each, start_again
from runtime.cli.targets import here
from runtime.errors import Damaged, Fault, in_words
from runtime.leftovers import look
from runtime.restart import is_due_at_boot

USAGE: Final = Usage(
    "system restore",
    "Start the containers whose restart policies say so, as after a boot, and print their names.",
    notes="""
Started are: with 'always' all that were ever started, with 'unless-stopped' those that nobody has stopped, with
'on-failure' those that the host's end has ended.

Example:
  preg system restore
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    USAGE.parse(arguments)
    containers, status = here(), 0
    due = []
    for container in containers:
        try:
            state, description = look(containers, container), container.describe()
        except FileNotFoundError:  # of a container that is removed when it ends
            continue
        except Damaged as damage:
            sys.stderr.write(f"preg: {damage}\n")
            status = 1
            continue
        if not state.alive and is_due_at_boot(description.restart, state):
            due.append((description.created, description.name, container))
    enter_for_each(containers, [container.id for _, _, container in due])
    for _, name, container in sorted(due, key=lambda each: each[0]):
        try:
            start_again(containers, container)
        except (Fault, OSError) as fault:
            sys.stderr.write(f"preg: {name}: {in_words(fault)}\n")
            status = 1
        else:
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
    return status
