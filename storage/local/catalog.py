"""Which repositories a storage driver holds, in byte order of their names.

A store lists one level of a tree, where ``name/`` stands for the repository ``name`` and for those below it. Byte order
puts others between the two: ``a``, ``a-b``, ``a/b``. So what is below a name waits until no such other can come, and a
listing takes calls in proportion to the names it gives, however many lie before and behind them.
"""

import asyncio
from typing import TYPE_CHECKING

from storage import layout
from storage.local.links import in_batches
from storage.local.tags import holds_manifests
from storage.oci.errors import NameInvalid
from storage.oci.reference import Name, parse_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.guard import Guard


async def repositories(store: "Guard", start_after: str = "", path: str = "") -> "AsyncIterator[Name]":
    """Name the repositories behind ``start_after``; only those below ``path``, which is empty or ends with a slash."""
    async for step in _steps(store, path, start_after.removeprefix(path) if start_after.startswith(path) else ""):
        if step.endswith("/"):
            async for name in repositories(store, start_after, step):
                yield name
        else:
            yield Name(step)


async def _steps(store: "Guard", path: str, start_after: str) -> "AsyncIterator[str]":
    """Give the repositories of one level and, with a slash, the levels below it, in order."""
    first, slash, _ = start_after.partition("/")
    # 'a' lies before 'a-b', but what is below it does not.
    beginnings = [first[:position] for position, character in enumerate(first) if character < "/"]
    waiting = [f"{path}{name}/" for name in (*beginnings, first) if _is_name(path + name)]
    # '.' is the last character before '/', and a name has no '~'.
    names = _names(store, path, f"{first}.~" if slash else first)
    async for batch in in_batches(names):
        seen = await asyncio.gather(*(_look(store, name) for name in batch))
        for name, (is_repository, has_below) in zip(batch, seen, strict=True):
            while waiting and waiting[-1] < name:
                yield waiting.pop()
            if is_repository:
                yield name
            if has_below:
                waiting.append(f"{name}/")
    while waiting:
        yield waiting.pop()


async def _names(store: "Guard", path: str, start_after: str = "") -> "AsyncIterator[Name]":
    async for child in store.children(layout.REPOSITORIES + path, start_after=start_after):
        if child.endswith("/") and _is_name(path + child[:-1]):
            yield Name(path + child[:-1])


async def _look(store: "Guard", name: Name) -> tuple[bool, bool]:
    """Tell whether there is a repository of that name, and whether there may be some below it."""
    held, below = await asyncio.gather(holds_manifests(store, name), anext(_names(store, f"{name}/"), None))
    return held, below is not None


def _is_name(text: str) -> bool:
    try:
        parse_name(text)
    except NameInvalid:
        return False
    return True
