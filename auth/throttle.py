"""Failed logins are answered late, so that passwords cannot be guessed by trying.

Only failures are slowed: nobody's guesses delay who knows the password. Delays grow with the recent failures of the
user and with those of the address. No more than some logins of an address are checked at once, others wait for these;
and one with too many late answers under way is refused before anything is checked, as everybody is while the whole
server has too many. A login of a user from an address that both logged in from before is checked all the same, up to
a limit of its own, and is let in if it is right. If it is wrong, it is answered as any other: who guesses cannot tell
from the answer or its time who is a user.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from auth.errors import TooManyFailures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

#: So many failures are nobody's attack. Those after them are answered later and later, in seconds.
_FREE: Final = 3
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 5.0
#: After so many seconds without a failure all is forgotten.
_FORGET_AFTER: Final = 900.0
#: How many logins may be checked and late answers be under way at once, of one address and of all.
_MOST_OF_ONE: Final = 20
_MOST_OF_ALL: Final = 1000
#: How many users and addresses are remembered: those that failed last, and those that logged in last.
_REMEMBERED: Final = 20_000


class _Failures:
    """What failed of late: for one user, at one address, of one user at one address, or of everybody."""

    def __init__(self, most: int = _MOST_OF_ONE) -> None:
        self.count = 0
        self.last = 0.0
        self._most = most
        #: How many logins are being checked, and when the late answers under way will be given.
        self.checking = 0
        self.turn = asyncio.Semaphore(most)
        self.due: list[float] = []

    @property
    def delay(self) -> float:
        """How late the next answer is, in seconds."""
        if self.count < _FREE:
            return 0.0
        return min(_FIRST_DELAY * 2.0 ** min(self.count - _FREE, 10), _LONGEST_DELAY)

    def refusal(self, now: float) -> TooManyFailures | None:
        """Say that there is no room for another late answer, if so."""
        self.due = [due for due in self.due if due > now]
        if self.due and len(self.due) + self.checking >= self._most:
            return TooManyFailures(min(self.due) - now)
        return None

    def note(self, now: float) -> None:
        """Count a failure."""
        self.count += 1
        self.last = now


class Attempt:
    """A login that is being checked; one of its methods is called with the outcome, if it has one."""

    def __init__(self, succeed: "Callable[[], None]", fail: "Callable[[], float]") -> None:
        self._succeed = succeed
        self._fail = fail

    def succeeded(self) -> None:
        """Note that this user logs in from this address."""
        self._succeed()

    def failed(self) -> float:
        """Give in how many seconds the failure is to be answered. Who hangs up before does not make it undone.

        Raises TooManyFailures where another's would not have been checked.
        """
        return self._fail()


class Throttle:
    """The failures of the last quarter of an hour, in bounded memory. ``clock`` gives seconds."""

    def __init__(self, *, clock: "Callable[[], float]" = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._all = _Failures(_MOST_OF_ALL)

    @contextlib.asynccontextmanager
    async def attempt(self, user: str, address: str) -> "AsyncIterator[Attempt]":
        """Surround the check of a login; ``user`` is empty where none is named. Raises TooManyFailures."""
        pair = (user, _network(address))
        here = self._find(("", pair[1]))
        async with here.turn, self._all.turn:
            now = self._clock()
            refusal = here.refusal(now) or self._all.refusal(now)
            if refusal is not None and (pair not in self._known or self._find(pair).refusal(now)):
                raise refusal
            for failures in (here, self._all):
                failures.checking += 1
            try:
                fail = partial(self._fail_at_once, pair, refusal) if refusal else partial(self._fail, pair)
                yield Attempt(partial(self._remember, pair), fail)
            finally:
                for failures in (here, self._all):
                    failures.checking -= 1

    def _remember(self, pair: tuple[str, str]) -> None:
        """Note a user and an address that belong together."""
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _fail(self, pair: tuple[str, str]) -> float:
        """Count a failure for the user and the address."""
        now, (user, network) = self._clock(), pair
        here = self._find(("", network))
        counted = (here, self._find((user, ""))) if user else (here,)
        delay = max(failures.delay for failures in counted)
        for failures in counted:
            failures.note(now)
        if delay:
            for failures in (here, self._all):
                failures.due.append(now + delay)
        return delay

    def _fail_at_once(self, pair: tuple[str, str], refusal: TooManyFailures) -> float:
        """Count a failure of who alone is checked while all others at the address are refused."""
        now, failures = self._clock(), self._find(pair)
        failures.due.append(now + failures.delay)
        failures.note(now)
        raise refusal

    def _find(self, key: tuple[str, str]) -> _Failures:
        failures = self._failures.setdefault(key, _Failures())
        self._failures.move_to_end(key)
        if len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)
        if self._clock() - failures.last > _FORGET_AFTER:
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
