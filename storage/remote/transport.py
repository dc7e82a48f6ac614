"""Requests to one registry: credentials, retries, and answers turned into the errors of ``storage.oci.errors``."""

import asyncio
import random
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlencode, urljoin, urlsplit

from storage.oci import errors
from storage.oci.headers import parse_challenge
from storage.oci.media import essence
from storage.oci.wire import decode_error, find_error
from storage.remote.address import host_of, is_loopback
from storage.remote.answer import Headers, HttpFault
from storage.remote.authenticator import Authenticator, lacks_rights
from storage.remote.connector import Connector, Origin
from storage.remote.faults import NotTls, Refused
from storage.remote.http import Http, Response
from storage.remote.refusals import NotARegistry, refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping

    from storage.remote.connection import Body
    from storage.remote.credentials import Credentials
    from storage.remote.endpoint import Endpoint

_ATTEMPTS: Final = 4
#: A pause, in seconds, that a registry asks for (Retry-After) is kept to up to this.
_LONGEST_PAUSE: Final = 30.0
_ERROR_LIMIT: Final = 64 * 1024
#: Statuses after which the same request may succeed.
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})


class Transport:
    """The connections to a registry."""

    def __init__(self, endpoint: "Endpoint", credentials: "Credentials | None" = None) -> None:
        self.registry = endpoint.registry
        self._endpoint = endpoint
        self._http = Http(Connector(endpoint.tls, endpoint.proxies))
        self._authenticator = Authenticator(self._http, credentials, self._may_give_tokens)
        self._settling = asyncio.Lock()

    async def log_in(self) -> "Credentials | None":
        """Show the credentials to the registry, and give what to keep: an identity token where one is issued.

        None if the registry asks nobody for credentials. Raises Unauthorized if it refuses these.
        """
        held = self._authenticator.credentials
        self._authenticator = Authenticator(self._http, held, self._may_give_tokens, log_in=True)
        try:
            if (response := await self._once("GET", "", (), None, None)).status == 200:
                response.release()
                if fault := self._is_none(response):
                    raise fault
                return None
            if self._learn(response, ()):
                response = await self._once("GET", "", (), None, None)
        except (HttpFault, ValueError) as error:
            raise self._unreachable(error) from error
        if response.status in (401, 403):
            raise (await _read_fault(response))[0]
        if response.status != 200:
            raise await self._fault(response, "GET", ())
        response.release()
        return self._authenticator.credentials

    async def request(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        url: str,
        *,
        scopes: tuple[str, ...],
        headers: "Mapping[str, str] | None" = None,
        body: bytes | None = None,
        expect: tuple[int, ...] = (200,),
    ) -> "Answer":
        """Send a request, again if the fault is a passing one, and give the answer if its status is as expected.

        ``url`` is a path below the API's root (``NAME/tags/list``), or what a Location header said.
        Raises RegistryError.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = await self._send(method, url, scopes, headers, body)
            except errors.Unauthorized as refusal:
                raise self._refused(refusal, scopes) from refusal
            except HttpFault as fault:
                if attempt == _ATTEMPTS or not fault.passing:
                    raise self._unreachable(fault) from fault
                await _pause(attempt)
                continue
            except ValueError as error:
                raise self._unreachable(error) from error
            if response.status in expect:
                return Answer(response)
            if response.status not in _PASSING or attempt == _ATTEMPTS:
                break
            response.release()
            await _pause(attempt, response.headers.get("Retry-After"))
        raise await self._fault(response, method, scopes)

    async def stream(self, method: str, url: str, body: "AsyncIterable[bytes]", *, scopes: tuple[str, ...]) -> "Answer":
        """Send a body that exists once, so there is one try; expects 202. Raises RegistryError."""
        headers = {"Content-Type": "application/octet-stream"}
        try:
            response = await self._once(method, url, scopes, headers, body)
        except errors.Unauthorized as refusal:
            raise self._refused(refusal, scopes) from refusal
        except (HttpFault, ValueError) as error:
            raise self._unreachable(error) from error
        if response.status == 202:
            return Answer(response)
        raise await self._fault(response, method, scopes)

    async def check(self) -> None:
        """Look whether what answers is a registry at all. Raises NotARegistry."""
        try:
            response = await self._once("GET", "", (), None, None)
        except (HttpFault, ValueError, errors.RegistryError):
            return
        response.release()
        if fault := self._is_none(response):
            raise fault

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _may_give_tokens(self, realm: str) -> bool:
        """Tell whether a token server may see our credentials: over TLS, or where the registry may without."""
        parts = urlsplit(realm)
        near = self._endpoint.scheme == "http" and is_loopback(self.registry) and is_loopback(parts.netloc)
        return parts.scheme == "https" or (parts.scheme == "http" and (self._endpoint.plain_tokens or near))

    async def _send(
        self, method: str, url: str, scopes: tuple[str, ...], headers: "Mapping[str, str] | None", body: bytes | None
    ) -> Response:
        response = await self._once(method, url, scopes, headers, body)
        if self._learn(response, scopes):
            response = await self._once(method, url, scopes, headers, body)
        return response

    def _learn(self, response: Response, scopes: tuple[str, ...]) -> bool:
        """Tell whether a request that was answered so may end better; the answer is then done with."""
        # Only the registry may say where we show our credentials, not a store that it redirects to.
        if response.status != 401 or not self._is_registry(response.url):
            return False
        shown = response.sent.get("Authorization")
        worthwhile = self._authenticator.learn(response.headers.all("WWW-Authenticate"), scopes, shown)
        if worthwhile:
            response.release()
        return worthwhile

    async def _once(
        self, method: str, url: str, scopes: tuple[str, ...], headers: "Mapping[str, str] | None", body: "Body"
    ) -> Response:
        await self._settle()
        target = self._locate(url)
        wanted = dict(headers or {})
        # Credentials are for the registry: not for a store that a Location names.
        if self._is_registry(target):
            wanted = {**self._endpoint.headers, **wanted}
            if shown := await self._authenticator.header(scopes):
                wanted["Authorization"] = shown
        return await self._http.request(method, target, wanted, body, redirects=method in ("GET", "HEAD"))

    async def _settle(self) -> None:
        """Find out which scheme works, if there is a choice; what is found holds for all that speak to the registry."""
        async with self._settling:
            if self._endpoint.scheme:
                return
            first, second = self._endpoint.schemes
            try:
                await self._http.open(f"{first}://{self._endpoint.host}")
            except (NotTls, Refused) as fault:
                # Without a port in the name the other scheme is at another.
                if isinstance(fault, Refused) and host_of(self._endpoint.host) != self._endpoint.host:
                    raise
                self._endpoint.settled = second
            else:
                self._endpoint.settled = first

    def _locate(self, url: str) -> str:
        """Complete a URL; what is below the API's root may name the registry that a mirror is asked for."""
        target = urljoin(self._endpoint.root, url)
        if self._endpoint.namespace and not url.startswith(("/", "http:", "https:")):
            target += f"{'&' if '?' in target else '?'}{urlencode({'ns': self._endpoint.namespace})}"
        return target

    def _is_registry(self, url: str) -> bool:
        return Origin.of(url) == Origin.of(self._endpoint.root)

    def _is_none(self, response: Response) -> errors.RegistryError | None:
        """Tell from the answer to a request for the API's root that this is no registry."""
        status, page = response.status, essence(response.headers.get("Content-Type")) == "text/html"
        if status == 400 and self._endpoint.scheme == "http":
            return NotARegistry(f"{self.registry} does not take plain HTTP: if it speaks TLS, leave out --plain-http")
        if status in (401, 403, 429) or status >= 500 or (status < 300 and not page):
            return None
        said = f"HTTP status {status}{' and a web page' if page else ''}"
        return NotARegistry(
            f"{self.registry} is not a registry: it answers {self._endpoint.path}/ with {said}; check its name and port"
        )

    async def _fault(self, response: Response, method: str, scopes: tuple[str, ...]) -> errors.RegistryError:
        """Say what an answer of another status than expected means."""
        status, proxy = response.status, f" through the proxy {response.proxy}" if response.proxy else ""
        fault, told = await _read_fault(response)
        if not self._is_registry(response.url):
            where = Origin.of(response.url).address
            return errors.Unavailable(f"{where}, which {self.registry} sends us to, answers{proxy}: {fault}")
        if isinstance(fault, (errors.Unauthorized, errors.Denied)):
            challenges = map(parse_challenge, response.headers.all("WWW-Authenticate"))
            lacking = any(each is not None and lacks_rights(each) for each in challenges)
            return self._refused(fault, scopes, lacking=lacking)
        if not told and status not in _PASSING:
            await self.check()
        return type(fault)(f"{self.registry} answers {method} {urlsplit(response.url).path}{proxy}: {fault}")

    def _refused(
        self, fault: errors.RegistryError, scopes: tuple[str, ...], *, lacking: bool = False
    ) -> errors.RegistryError:
        """Say whose refusal it is, and what to do."""
        held = self._authenticator.credentials
        known = held is not None and (lacking or isinstance(fault, errors.Denied))
        return refuse(self.registry, fault, scopes, held, "" if known else self._authenticator.cure)

    def _unreachable(self, error: Exception) -> errors.RegistryError:
        # A server that waits for TLS mostly hangs up when it gets something else.
        tls = isinstance(error, HttpFault) and error.passing and self._endpoint.schemes == ("http",)
        hint = "; if it speaks TLS, leave out --plain-http" if tls else ""
        return errors.Unavailable(f"the registry {self.registry} cannot be reached: {error}{hint}")


class Answer:
    """A response of the expected status; a context manager, so that its connection is given back."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.status = response.status
        self.headers: Headers = response.headers
        self.url = response.url

    def pieces(self) -> "AsyncIterator[bytes]":
        """Give the body as it comes. Raises HttpFault."""
        return self._response.pieces()

    async def read(self, limit: int) -> bytes:
        """Read the whole body. Raises RegistryError if it is larger than ``limit`` bytes or breaks off."""
        try:
            body = await self._response.read(limit + 1)
        except HttpFault as error:
            raise errors.Unavailable(f"the answer of {self.url} broke off: {error}") from error
        if len(body) > limit:
            raise errors.Unavailable(f"{self.url} answered with more than {limit} bytes")
        return body

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the connection back; it is closed if the body was not read to its end."""
        self._response.release()


async def _read_fault(response: Response) -> tuple[errors.RegistryError, bool]:
    """Read the fault that an answer stands for, and whether it tells of it in a registry's words."""
    try:
        body = await response.read(_ERROR_LIMIT)
    except HttpFault:
        body = b""
    finally:
        response.release()
    told = find_error(response.status, body)
    return told or decode_error(response.status, body), told is not None


async def _pause(attempt: int, retry_after: str = "") -> None:
    asked = float(retry_after) if retry_after.isdigit() else 0.0
    # Spread by chance, so that many clients do not come back at one moment.
    own = 0.25 * 2**attempt * (0.5 + random.random())  # noqa: S311 - no secret
    await asyncio.sleep(min(max(asked, own), _LONGEST_PAUSE))
