"""The dance of challenge and token (distribution, "Token Authentication Specification")."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from storage.oci import errors
from storage.oci.reference import parse_name, parse_tag
from storage.remote.client import RemoteNamespace
from storage.remote.credentials import Credentials
from storage.remote.endpoint import Endpoint
from tests.parts.guarded import PASSWORD, USER, Guarded
from tests.parts.images import data

IMAGE = data("token", layers=1, size=10)
ALICE = Credentials(USER, PASSWORD)
PULL = "repository:team/app:pull"


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    registry = Guarded(IMAGE)
    async with registry.server:
        yield registry


async def pull(guarded: Guarded, credentials: Credentials | None = None, times: int = 1) -> None:
    namespace = RemoteNamespace(Endpoint.of(guarded.address), credentials)
    try:
        for _ in range(times):
            manifest = await namespace.repository(parse_name("team/app")).manifests.get(parse_tag("1"))
            assert manifest.raw == IMAGE.manifest
    finally:
        await namespace.aclose()


async def test_a_token_is_fetched_once_with_user_and_password(guarded: Guarded) -> None:
    await pull(guarded, ALICE, times=3)
    (asked,) = guarded.asked
    assert asked["method"] == "GET"
    assert asked["scopes"] == [PULL]
    assert asked["service"] == "reg,istry"
    assert asked["account"] == "alice"


async def test_without_credentials_a_token_is_asked_for_anonymously(guarded: Guarded) -> None:
    await pull(guarded)
    assert [(each["shown"], each.get("account")) for each in guarded.asked] == [("", None)]


async def test_an_identity_token_is_exchanged(guarded: Guarded) -> None:
    guarded.identity_tokens.add("good")
    await pull(guarded, Credentials("", "", "good"))
    (asked,) = guarded.asked
    assert (asked["method"], asked["shown"]) == ("POST", "")
    assert asked["form"] == {
        "grant_type": "refresh_token",
        "refresh_token": "good",
        "service": "reg,istry",
        "client_id": "preg",
        "scope": PULL,
    }


async def test_an_identity_token_that_was_revoked_is_told_from_a_wrong_password(guarded: Guarded) -> None:
    with pytest.raises(errors.Unauthorized, match="expired or was revoked: run preg login again") as refusal:
        await pull(guarded, Credentials("", "", "revoked-token"))
    assert "revoked-token" not in str(refusal.value)
    assert len(guarded.asked) == 1


async def test_an_identity_token_is_not_sent_on_where_a_redirect_leads(guarded: Guarded) -> None:
    guarded.challenge = 'Bearer realm="{url}/moved",service="s"'
    with pytest.raises(errors.Unauthorized, match="HTTP status 307"):
        await pull(guarded, Credentials("", "", "good"))
    assert guarded.asked == []


async def test_a_token_server_may_want_posts(guarded: Guarded) -> None:
    guarded.methods = {"POST"}
    await pull(guarded, ALICE)
    first, second = guarded.asked
    assert (first["method"], second["method"], second["shown"]) == ("GET", "POST", "")
    assert second["form"] == {
        "grant_type": "password",
        "username": USER,
        "password": PASSWORD,
        "service": "reg,istry",
        "client_id": "preg",
        "scope": PULL,
    }


async def log_in(guarded: Guarded, credentials: Credentials) -> Credentials | None:
    namespace = RemoteNamespace(Endpoint.of(guarded.address), credentials)
    try:
        return await namespace.log_in()
    finally:
        await namespace.aclose()


@pytest.mark.parametrize("methods", [{"GET"}, {"POST"}, {"GET", "POST"}])
async def test_a_login_gives_an_identity_token_in_place_of_the_password(methods: set[str], guarded: Guarded) -> None:
    guarded.methods = methods
    kept = await log_in(guarded, ALICE)
    (token,) = guarded.identity_tokens
    assert kept == Credentials(USER, "", token)


async def test_a_login_with_an_identity_token_keeps_the_newer_one(guarded: Guarded) -> None:
    guarded.identity_tokens.add("old")
    kept = await log_in(guarded, Credentials(USER, "", "old"))
    assert kept is not None
    assert kept.identity_token in guarded.identity_tokens - {"old"}


async def test_a_login_where_tokens_are_not_known_keeps_the_password(guarded: Guarded) -> None:
    guarded.challenge = 'Basic realm="here"'
    assert await log_in(guarded, ALICE) == ALICE


@pytest.mark.parametrize("challenge", ['Basic realm="here"', 'Bearer realm="{url}/token",service="s"'])
async def test_a_login_with_a_wrong_password_is_refused(challenge: str, guarded: Guarded) -> None:
    guarded.challenge = challenge
    with pytest.raises(errors.Unauthorized):
        await log_in(guarded, Credentials(USER, "guess"))


async def test_rights_that_are_lacking_are_not_asked_for_twice(guarded: Guarded) -> None:
    guarded.challenge = 'Bearer realm="{url}/token",service="s",error="insufficient_scope"'
    namespace = RemoteNamespace(Endpoint.of(guarded.address), ALICE)
    repository = namespace.repository(parse_name("team/app"))
    await repository.manifests.get(parse_tag("1"))
    guarded.tokens = set()
    with pytest.raises(errors.Unauthorized, match="the login you have does not allow it"):
        await repository.manifests.get(parse_tag("1"))
    await namespace.aclose()
    assert len(guarded.asked) == 1


async def test_a_token_that_is_refused_is_replaced(guarded: Guarded) -> None:
    namespace = RemoteNamespace(Endpoint.of(guarded.address))
    repository = namespace.repository(parse_name("team/app"))
    await repository.manifests.get(parse_tag("1"))
    guarded.tokens.clear()
    await repository.manifests.get(parse_tag("1"))
    await namespace.aclose()
    assert len(guarded.asked) == 2


@pytest.mark.parametrize("challenge", ['Basic realm="here"', 'Bearer realm="{url}/token",service="s"'])
async def test_requests_at_once_are_all_let_in(challenge: str, guarded: Guarded) -> None:
    guarded.challenge = challenge
    guarded.wait_for = 4
    namespace = RemoteNamespace(Endpoint.of(guarded.address), ALICE)
    repository = namespace.repository(parse_name("team/app"))
    for _ in range(2):
        await asyncio.gather(*(repository.manifests.get(parse_tag("1")) for _ in range(4)))
        guarded.tokens.clear()
    await namespace.aclose()


async def test_a_wrong_password_is_said_once(guarded: Guarded) -> None:
    with pytest.raises(errors.Unauthorized, match="wrong password"):
        await pull(guarded, Credentials("alice", "guess"))
    assert len(guarded.asked) == 1


async def test_basic_is_answered_with_user_and_password(guarded: Guarded) -> None:
    guarded.challenge = 'Basic realm="here"'
    await pull(guarded, ALICE)
    with pytest.raises(errors.Unauthorized, match="run preg login again"):
        await pull(guarded, Credentials(USER, "guess"))
    with pytest.raises(errors.Unauthorized, match="401: authentication required; log in with preg login"):
        await pull(guarded)
    assert guarded.asked == []


@pytest.mark.parametrize(
    "realm", ["", "ftp://127.0.0.1/token", "file:///etc/passwd", "http://192.0.2.1/token", "http://[x"]
)
async def test_a_realm_that_is_no_web_address_is_not_followed(realm: str, guarded: Guarded) -> None:
    guarded.challenge = f'Bearer realm="{realm}"'
    with pytest.raises(errors.Unauthorized, match="which is not https"):
        await pull(guarded)


async def test_credentials_are_not_shown_where_a_redirect_leads(guarded: Guarded) -> None:
    shown: list[str | None] = []

    async def elsewhere(request: web.Request) -> web.Response:
        shown.append(request.headers.get("Authorization"))
        return web.Response(body=IMAGE.manifest)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", elsewhere)
    store = TestServer(application, host="127.0.0.1")
    await store.start_server()
    front = web.Application()

    async def redirect(request: web.Request) -> web.Response:
        if "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="here"'})
        raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{store.port}/data")

    front.router.add_route("*", "/{path:.*}", redirect)
    registry = TestServer(front, host="127.0.0.1")
    await registry.start_server()
    namespace = RemoteNamespace(Endpoint.of(f"127.0.0.1:{registry.port}"), ALICE)
    await namespace.repository(parse_name("team/app")).manifests.get(parse_tag("1"))
    for part in (namespace.aclose, registry.close, store.close):
        await part()
    assert shown == [None]
