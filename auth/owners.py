"""Those whom our tokens were issued to, as they are now: a token is no longer good than its owner's account."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from auth.errors import AuthUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from auth.credentials import Account

_LOG: Final = logging.getLogger("preg.auth")
#: For how many seconds an account is not asked for again, for how many nobody waits for the answer, and for how many it
#: holds while nobody can be asked.
_LIFETIME: Final = 1.0
_WAITS_AFTER: Final = 2.0
_HOLDS: Final = 300.0
_REMEMBERED: Final = 4096


class _Known(NamedTuple):
    """What was said of an account; times are the clock's."""

    account: "Account | None"
    said: float
    asked: float


class TokenOwners:
    """Remembers accounts for some seconds, as one client makes many requests with one token."""

    def __init__(
        self, ask: "Callable[[str], Awaitable[Account | None]]", *, clock: "Callable[[], float]" = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Future[Account | None]] = {}

    async def account(self, name: str) -> "Account | None":
        """Give somebody's account as it is, or was two seconds ago at most; None for who has none.

        Raises AuthUnavailable where it cannot be asked for, and has not been for five minutes.
        """
        known = self._known.get(name)
        age = self._clock() - known.asked if known is not None else _WAITS_AFTER
        if known is not None and age < _LIFETIME:
            return known.account
        asking = self._asking.get(name)
        if asking is None:
            asking = asyncio.ensure_future(self._find(name, known))
            self._asking[name] = asking
            asking.add_done_callback(lambda done: self._answered(name, done))
        # A directory may be slow, and who uses a token all the time shall not wait for it every second.
        return known.account if known is not None and age < _WAITS_AFTER else await asyncio.shield(asking)

    def _answered(self, name: str, done: "asyncio.Future[Account | None]") -> None:
        del self._asking[name]
        if not done.cancelled() and (error := done.exception()) is not None:
            _LOG.info("the account of %s cannot be asked for: %s", name, error)

    async def _find(self, name: str, known: _Known | None) -> "Account | None":
        now = self._clock()
        try:
            found = _Known(await self._ask(name), now, now)
        except AuthUnavailable as error:
            if known is None or now - known.said > _HOLDS:
                raise
            _LOG.warning("the account of %s cannot be asked for, so what it was still holds: %s", name, error)
            found = known._replace(asked=now)
        self._known.pop(name, None)
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[name] = found
        return found.account
