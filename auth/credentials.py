"""Who comes with a user's name and a password: a person, an API key, or a workload with its issuer's token."""

import asyncio
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from auth.errors import CredentialsRefused, TooManyFailures
from auth.keys import is_key
from auth.names import is_name
from auth.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from auth.directory import Directory
    from auth.keys import ApiKeys
    from auth.throttle import Throttle

#: When a login is answered that is refused because of others, in seconds; checking one takes less.
_REFUSED_AFTER: Final = 0.25
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KEY: Final = "key:"
#: Who has neither a password nor a key here that could be withdrawn: others vouch for them at each login.
_WITHOUT_ACCOUNT: Final = ("oidc:", "cert:")


class Account(NamedTuple):
    """A principal without his password, and what changes when that does."""

    principal: Principal
    fingerprint: str


def has_account(name: str) -> bool:
    """Tell whether a principal of that name has an account as long as there is one."""
    return bool(name) and not name.startswith(_WITHOUT_ACCOUNT)


class Credentials:
    """Checks user names and passwords.

    ``oidc`` gives the principal of a workload's token, None where the token is of no issuer that it knows, and raises
    CredentialsRefused. ``sleep`` waits for some seconds.
    """

    def __init__(
        self,
        directory: "Directory",
        keys: "ApiKeys",
        throttle: "Throttle",
        *,
        oidc: "Callable[[str], Awaitable[Principal | None]] | None" = None,
        sleep: "Callable[[float], Awaitable[None]]" = asyncio.sleep,
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._throttle = throttle
        self._oidc = oidc
        self._sleep = sleep

    async def principal(self, user: str, password: str, address: str) -> Principal:
        """Give who comes with these credentials, from this IP address.

        The user's name does not matter where the password is an API key or a workload's token. A failure takes its
        time; see ``auth.throttle``. Raises CredentialsRefused, TooManyFailures and AuthUnavailable.
        """
        try:
            # Not slowed while it is right: nobody guesses a key or a signature.
            machine = await self._machine(password)
        except CredentialsRefused:
            async with self._throttle.attempt("", address) as attempt:
                delay = attempt.failed()
            await self._sleep(delay)
            raise
        return machine or await self._person(user, password, address)

    async def account(self, name: str) -> Account | None:
        """Give a principal by his name as he is now; None where there is none any more, or none who has a password."""
        if name.startswith(_KEY):
            key = await self._keys.find(name.removeprefix(_KEY))
            if key is None or self._keys.is_expired(key):
                return None
            await self._keys.record_use(key.name)
            return Account(key.principal, key.sha256)
        if not is_name(name):
            return None
        groups, fingerprint = await self._directory.groups(name), await self._directory.fingerprint(name)
        if groups is None or fingerprint is None:
            return None
        return Account(Principal(name, frozenset(groups)), fingerprint)

    async def _machine(self, password: str) -> Principal | None:
        if is_key(password):
            return await self._keys.principal(password)
        if self._oidc is not None and _TOKEN.fullmatch(password):
            return await self._oidc(password)
        return None

    async def _person(self, user: str, password: str, address: str) -> Principal:
        name = user if is_name(user) else ""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with self._throttle.attempt(name, address) as attempt:
                groups = await self._directory.check(name, password) if name else None
                if groups is not None:
                    attempt.succeeded()
                    return Principal(name, frozenset(groups))
                delay = attempt.failed()
        except TooManyFailures:
            # Some are checked before they are refused, some are not, and nobody shall see which.
            await self._sleep(max(0.0, begun + _REFUSED_AFTER - loop.time()))
            raise
        await self._sleep(delay)
        raise CredentialsRefused(f"wrong password, or no such user: {name}" if name else "no user can have this name")
