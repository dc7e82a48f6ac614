"""Every route, every method, every kind of caller: what is answered is what the policy says."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth.action import Action
from auth.principal import ANONYMOUS, Principal
from registry.http import routes
from tests.parts.accounts import basic, bearer
from tests.registry.doors import MODES, Guarded, guarded

DIGEST = "sha256:" + "0" * 64
SESSION = "0" * 32
REPOSITORIES = ("team/app", "public/app", "other/app")

# Where each resource of the route table is found. A row that is missing here fails the tests.
PATHS = {
    id(routes.PING): "/v2/",
    id(routes.CATALOG): "/v2/_catalog",
    id(routes.TAGS): "/v2/{name}/tags/list",
    id(routes.REFERRERS): f"/v2/{{name}}/referrers/{DIGEST}",
    id(routes.MANIFEST): "/v2/{name}/manifests/tag",
    id(routes.BLOB): f"/v2/{{name}}/blobs/{DIGEST}",
    id(routes.UPLOADS): "/v2/{name}/blobs/uploads/",
    id(routes.UPLOAD): f"/v2/{{name}}/blobs/uploads/{SESSION}",
}
ROUTES = [
    pytest.param(method, PATHS.get(id(table), ""), route.action, id=f"{method} {PATHS.get(id(table))}")
    for table in routes.RESOURCES
    for method, route in table.items()
]
# What lies beside the registry, and asks nobody for permission.
BESIDE = {"htpasswd": {}, "token": {"/token": {"GET", "POST"}, "/.well-known/jwks.json": {"GET"}}}

PRINCIPALS = {
    "nobody": ANONYMOUS,
    "read-only": Principal("reader"),
    "writer elsewhere": Principal("stranger"),
    "writer": Principal("writer"),
    "admin": Principal("admin", frozenset({"admins"})),
}
USERS = {"nobody": "", "read-only": "reader", "writer elsewhere": "stranger", "writer": "writer", "admin": "admin"}
REFUSED = ("wrong password", "unknown user", "expired key", "not base64", "wrong token", "other scheme")


@pytest.fixture(params=MODES)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path, request.param) as running:
        yield running


def mode(server: Guarded) -> str:
    return "token" if server.api._beside else "htpasswd"


async def credentials(server: Guarded, user: str, scope: str) -> dict[str, str]:
    """What a client of that user sends, which has asked for a token with this scope where there are tokens."""
    headers = basic(user) if user else {}
    if mode(server) == "htpasswd":
        return headers
    return bearer(await server.token(headers, *([scope] if scope else [])))


def scope(action: Action, name: str) -> str:
    if action is Action.CATALOG:
        return "registry:catalog:*"
    return "" if action is Action.PING else f"repository:{name}:pull,push,delete"


@pytest.mark.parametrize(("method", "path", "action"), ROUTES)
async def test_a_caller_gets_what_the_policy_says(server: Guarded, method: str, path: str, action: Action) -> None:
    assert path, "a resource of the route table is not in the matrix"
    for caller, name in itertools.product(PRINCIPALS, REPOSITORIES if "{name}" in path else ("",)):
        headers = await credentials(server, USERS[caller], scope(action, name))
        before = await server.kept()
        answer = await server.ask(method, path.format(name=name), headers=headers)
        decided = server.policy.decide(PRINCIPALS[caller], action, name).allowed
        # A token is a proof of being known, be it as nobody.
        if decided or (action is Action.PING and "Bearer" in headers.get("Authorization", "")):
            assert answer.status not in (401, 403), (caller, name, answer)
            continue
        known = caller != "nobody" and mode(server) == "htpasswd"
        assert answer.status == (403 if known else 401), (caller, name, answer)
        assert ("WWW-Authenticate" in answer.headers) == (not known)
        if method != "HEAD":
            answer.refused(answer.status, "DENIED" if known else "UNAUTHORIZED")
        assert await server.kept() == before


@pytest.mark.parametrize("wrong", REFUSED)
@pytest.mark.parametrize(("method", "path", "action"), ROUTES)
async def test_wrong_credentials_open_nothing(
    server: Guarded, method: str, path: str, action: Action, wrong: str
) -> None:
    """Not even what is open to who has none."""
    headers = {
        "wrong password": basic("admin", "admin"),
        "unknown user": basic("root"),
        "expired key": basic("x", await server.keys.create("old", ["**"], [Action.PULL, Action.PUSH], lifetime=0)),
        "not base64": {"Authorization": "Basic !"},
        "wrong token": bearer("eyJhbGciOiJub25lIn0.e30."),
        "other scheme": {"Authorization": "Negotiate abc"},
    }[wrong]
    for name in REPOSITORIES if "{name}" in path else ("",):
        before = await server.kept()
        answer = await server.ask(method, path.format(name=name), headers=headers)
        assert answer.status == 401, (wrong, answer)
        if method != "HEAD":
            answer.refused(401, "UNAUTHORIZED")
        assert await server.kept() == before


@pytest.mark.parametrize(("method", "path", "action"), ROUTES)
async def test_without_credentials_only_what_is_open_to_all_is_open(
    server: Guarded, method: str, path: str, action: Action
) -> None:
    """And with tokens nothing is: clients get one that is nobody's."""
    for name in REPOSITORIES if "{name}" in path else ("",):
        answer = await server.ask(method, path.format(name=name))
        is_open = mode(server) == "htpasswd" and server.policy.decide(ANONYMOUS, action, name).allowed
        assert (answer.status != 401) == is_open, answer


async def test_the_matrix_has_every_route(server: Guarded) -> None:
    assert set(PATHS) == {id(table) for table in routes.RESOURCES}
    beside = {path: set(table) for path, table in server.api._beside.items()}
    assert beside == BESIDE[mode(server)]
