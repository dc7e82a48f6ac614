"""An iterator run by another thread, some items in advance: while C code hashes or inflates, Python goes on here."""

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Gives what an iterator gives, and raises what it raises; ``depth`` items wait at most."""

    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._waiting: queue.Queue[T | _End] = queue.Queue(depth)
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item = self._waiting.get()
        if isinstance(item, _End):
            self._waiting.put(item)  # for whoever asks again
            if item.fault is not None:
                raise item.fault
            raise StopIteration
        return item

    def close(self) -> None:
        """Let the thread end before the iterator does; it may take one item more."""
        self._closed = True
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._waiting.get(timeout=0.01)

    def _run(self) -> None:
        end = _End(None)
        try:
            for item in self._items:
                if self._closed:
                    return
                self._waiting.put(item)
        except BaseException as fault:  # noqa: BLE001 - it is raised again where the items are taken
            end = _End(fault)
        self._waiting.put(end)


class _End:
    def __init__(self, fault: BaseException | None) -> None:
        self.fault = fault
