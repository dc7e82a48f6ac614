"""Small public documents of other servers, such as the keys of an issuer."""

from typing import Final

import aiohttp

from auth.errors import AuthUnavailable

#: Nobody has so many keys.
_LIMIT: Final = 1024 * 1024
#: In seconds; a client waits that long for its token.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


async def fetch(url: str) -> bytes:
    """Fetch what lies at a URL, without following it elsewhere. Raises AuthUnavailable."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise AuthUnavailable(f"{url} answers with status {response.status}")
            body = await response.content.read(_LIMIT + 1)
            while len(body) <= _LIMIT and (piece := await response.content.read(_LIMIT)):
                body += piece
    except (aiohttp.ClientError, OSError) as error:
        # Some of these, a timeout for one, have no words of their own.
        raise AuthUnavailable(f"{url} cannot be fetched: {str(error) or type(error).__name__}") from error
    if len(body) > _LIMIT:
        raise AuthUnavailable(f"{url} is longer than {_LIMIT} bytes")
    return body
