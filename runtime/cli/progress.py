"""How far layers have come: bars on a terminal, a line for each finished layer elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from runtime.cli.terminal import unfiltered

if TYPE_CHECKING:
    from storage.copy import Progress
    from storage.oci.digest import Digest

_WORDS: Final = {
    "pull": {"exists": "already here", "copied": "pulled"},
    "load": {"exists": "already here", "copied": "loaded"},
    "push": {"exists": "already there", "mounted": "mounted from another repository", "copied": "pushed"},
}


@contextmanager
def progress(direction: str) -> Iterator[Callable[["Progress"], None]]:
    """Show what is reported until the context is left; ``direction`` is ``pull``, ``load`` or ``push``."""
    if not sys.stderr.isatty():
        yield lambda step: _print(step, _WORDS[direction])
        return
    from rich import progress as rich  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415 - worth its time only where somebody looks

    columns = (rich.BarColumn(), rich.DownloadColumn(), rich.TransferSpeedColumn())
    ends = (rich.TextColumn("{task.fields[blob]}"), rich.TextColumn("{task.fields[state]}"))
    with rich.Progress(ends[0], *columns, ends[1], console=Console(file=unfiltered(sys.stderr))) as bars:
        tasks: dict[Digest, rich.TaskID] = {}

        def show(step: "Progress") -> None:
            if step.digest not in tasks:
                tasks[step.digest] = bars.add_task("", total=step.size, blob=_short(step), state="")
            state = _WORDS[direction].get(step.state, "")
            bars.update(tasks[step.digest], completed=step.done, state=state)

        yield show


def _print(step: "Progress", words: dict[str, str]) -> None:
    if step.state in words:
        sys.stderr.write(f"{_short(step)}: {words[step.state]}\n")


def _short(step: "Progress") -> str:
    return step.digest.hex[:12]
