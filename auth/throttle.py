"""Failed logins are answered late, so that passwords cannot be guessed by trying.

Only failures are slowed: nobody's guesses delay who knows the password. Delays grow with the recent failures of the
user and with those of the address. An address with too many late answers under way is refused before anything is
checked, and so is everybody while the whole server has too many; not so who logged in from the same address before:
they are slowed and refused only for the failures of that one user at that one address.
"""

import contextlib
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from auth.errors import TooManyFailures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: So many failures are nobody's attack. Those after them are answered later and later, in seconds.
_FREE: Final = 3
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 5.0
#: After so many seconds without a failure all is forgotten.
_FORGET_AFTER: Final = 900.0
#: How many late answers may be under way, to one address and to all.
_MOST_OF_ONE: Final = 20
_MOST_OF_ALL: Final = 1000
#: How many users and addresses are remembered: those that failed last, and those that logged in last.
_REMEMBERED: Final = 20_000


class _Failures:
    """What failed of late for one user, one address or one user at one address."""

    __slots__ = ("checking", "count", "due", "last")

    def __init__(self) -> None:
        self.count = 0
        self.last = 0.0
        #: How many logins are being checked, and when the late answers under way will be given.
        self.checking = 0
        self.due: list[float] = []

    @property
    def delay(self) -> float:
        """How late the next answer is, in seconds."""
        if self.count < _FREE:
            return 0.0
        return min(_FIRST_DELAY * 2.0 ** min(self.count - _FREE, 10), _LONGEST_DELAY)

    def limit(self, most: int, now: float) -> None:
        """Raise TooManyFailures if there is no room for another late answer."""
        self.due = [due for due in self.due if due > now]
        if self.due and len(self.due) + self.checking >= most:
            raise TooManyFailures(min(self.due) - now)


class Attempt:
    """A login that is being checked; one of its methods is called with the outcome, if it has one."""

    def __init__(self, throttle: "Throttle", pair: tuple[str, str], slowing: "tuple[_Failures, ...]") -> None:
        self._throttle = throttle
        self._pair = pair
        self._slowing = slowing

    def succeeded(self) -> None:
        """Note that this user logs in from this address."""
        self._throttle.remember(self._pair)

    def failed(self) -> float:
        """Give in how many seconds the failure is to be answered. Who hangs up before does not make it undone."""
        return self._throttle.slow(self._slowing)


class Throttle:
    """The failures of the last quarter of an hour, in bounded memory. ``clock`` gives seconds."""

    def __init__(self, *, clock: "Callable[[], float]" = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._all = _Failures()

    @contextlib.contextmanager
    def attempt(self, user: str, address: str) -> "Iterator[Attempt]":
        """Surround the check of a login; ``user`` is empty where none is named. Raises TooManyFailures."""
        now, pair = self._clock(), (user, _network(address))
        slowing: tuple[_Failures, ...]
        if pair in self._known:
            slowing = (self._find(pair, now),)
        else:
            self._all.limit(_MOST_OF_ALL, now)
            slowing = (self._find(("", pair[1]), now), *([self._find((user, ""), now)] if user else []))
        slowing[0].limit(_MOST_OF_ONE, now)
        for failures in (slowing[0], self._all):
            failures.checking += 1
        try:
            yield Attempt(self, pair, slowing)
        finally:
            for failures in (slowing[0], self._all):
                failures.checking -= 1

    def remember(self, pair: tuple[str, str]) -> None:
        """Note a user and an address that belong together; see ``Attempt.succeeded``."""
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def slow(self, slowing: "tuple[_Failures, ...]") -> float:
        """Count a failure; see ``Attempt.failed``."""
        now = self._clock()
        delay = max(failures.delay for failures in slowing)
        for failures in slowing:
            failures.count += 1
            failures.last = now
        if delay:
            slowing[0].due.append(now + delay)
            self._all.due.append(now + delay)
        return delay

    def _find(self, key: tuple[str, str], now: float) -> _Failures:
        failures = self._failures.setdefault(key, _Failures())
        self._failures.move_to_end(key)
        if len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)
        if now - failures.last > _FORGET_AFTER:
            failures.count = 0
        return failures


def _network(address: str) -> str:
    """Give what an attacker has one of: an IPv4 address, or the half of an IPv6 address that is assigned to him."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
