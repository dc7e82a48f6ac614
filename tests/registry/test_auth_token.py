"""Tokens: where clients are sent for them, how they are given, and what is not taken for one."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from auth.action import Action
from auth.passwords import hash_password
from auth.users import remove_user, set_password
from storage.oci.digest import Digest
from tests.auth.forging import PARTIES, b64, claims, key_set, kid, raw, token
from tests.parts import accounts
from tests.parts.accounts import basic, bearer
from tests.parts.process import PATIENCE
from tests.registry.client import Answer
from tests.registry.doors import Guarded, guarded

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PUSH = "repository:team/app:pull,push"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path, "token") as running:
        yield running


def challenge(answer: Answer) -> dict[str, str]:
    """The parameters of the one challenge in an answer, all of them quoted (I73)."""
    (header,) = answer.headers.getall("WWW-Authenticate")
    assert re.fullmatch(r'Bearer [a-z]+="[^"]*"(,[a-z]+="[^"]*")*', header), header
    return dict(re.findall(r'([a-z]+)="([^"]*)"', header))


class TestChallenges:
    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [
            ("GET", "/v2/", None),
            ("HEAD", "/v2/", None),
            ("GET", "/v2/_catalog", "registry:catalog:*"),
            ("HEAD", "/v2/team/app/manifests/1", "repository:team/app:pull"),
            ("PUT", "/v2/team/app/manifests/1", PUSH),
            ("DELETE", "/v2/team/app/manifests/1", "repository:team/app:delete"),
            ("POST", "/v2/team/app/blobs/uploads/", PUSH),
            ("POST", "/v2/team/app/blobs/uploads/?mount=x&from=a%2Fb", f"{PUSH} repository:a/b:pull"),
            ("POST", '/v2/team/app/blobs/uploads/?mount=x&from=a%22,realm="x', PUSH),
            ("POST", "/v2/team/app/blobs/uploads/?from=a/b", PUSH),
        ],
    )
    async def test_it_says_which_token_to_get(self, server: Guarded, method: str, path: str, scope: str | None) -> None:
        """I72, I73, I75."""
        answer = await server.ask(method, path)
        realm = f"http://127.0.0.1:{server.port}/token"
        wanted = {"realm": realm, "service": "preg"} | ({"scope": scope} if scope else {})
        assert (answer.status, challenge(answer)) == (401, wanted)
        answer = await server.ask(method, path, headers=bearer("x"))
        assert (answer.status, challenge(answer)) == (401, {**wanted, "error": "invalid_token"})
        if scope:
            answer = await server.ask(method, path, headers=bearer(await server.token({})))
            assert (answer.status, challenge(answer)) == (401, {**wanted, "error": "insufficient_scope"})

    async def test_the_token_server_is_where_the_client_believes_us_to_be(self, server: Guarded) -> None:
        headers = {"Host": "registry.example.com:8443", "X-Forwarded-Proto": "https"}
        answer = await server.ask("GET", "/v2/", headers=headers)
        assert challenge(answer)["realm"] == "https://registry.example.com:8443/token"
        (await server.ask("GET", "/v2/", headers={"Host": 'x"y'})).refused(400, "UNSUPPORTED")

    async def test_or_where_the_settings_say(self, tmp_path: Path) -> None:
        settings = '[token]\nrealm = "https://auth.example.com/token"\nservice = "ours"\n'
        async with guarded(tmp_path, "token", more=settings) as server:
            found = challenge(await server.ask("GET", "/v2/"))
        assert found == {"realm": "https://auth.example.com/token", "service": "ours"}

    async def test_basic_credentials_are_no_token(self, server: Guarded) -> None:
        assert "error" not in challenge(await server.ask("GET", "/v2/", headers=basic("admin")))


class TestTokenServer:
    def check(self, answer: Answer) -> Any:
        """What every token comes with (I82)."""
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer
        assert answer.headers["Cache-Control"] == "no-store"
        given = answer.json()
        assert given["token"] == given["access_token"]
        assert given["expires_in"] == 300
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", given["issued_at"])
        return given

    def access(self, given: Any) -> dict[str, list[str]]:
        """What a token says that it allows."""
        payload = jwt.decode(given["token"], options={"verify_signature": False})
        return {each["name"]: each["actions"] for each in payload["access"]}

    async def test_docker_logs_in(self, server: Guarded) -> None:
        """I77, I78: with a token for nothing the ping is answered; the refresh token stands for the password."""
        query = "account=writer&client_id=docker&offline_token=true&service=preg"
        given = self.check(await server.ask("GET", f"/token?{query}", headers=basic("writer")))
        assert self.access(given) == {}
        assert (await server.ask("GET", "/v2/", headers=bearer(given["token"]))).status == 200
        form = f"grant_type=refresh_token&refresh_token={given['refresh_token']}&service=preg&client_id=docker"
        answer = await server.ask(
            "POST", "/token", f"{form}&scope=repository%3Ateam%2Fapp%3Apush%2Cpull".encode(), FORM
        )
        refreshed = self.check(answer)
        assert self.access(refreshed) == {"team/app": ["pull", "push"]}
        assert refreshed["scope"] == PUSH
        assert "refresh_token" not in refreshed

    async def test_containerd_sends_the_password_in_a_form_and_skopeo_sends_forms_in_chunks(
        self, server: Guarded
    ) -> None:
        """A2, I79."""
        secret = accounts.password("reader")
        form = f"grant_type=password&username=reader&password={secret}&service=preg&scope=repository:team/app:pull,push"
        for body in (form.encode(), [form[:20].encode(), form[20:].encode()]):
            given = self.check(await server.ask("POST", "/token", body, FORM))
            assert (self.access(given), given["scope"]) == ({"team/app": ["pull"]}, "repository:team/app:pull")
            assert "refresh_token" not in given
        given = self.check(await server.ask("POST", "/token", f"{form}&access_type=offline".encode(), FORM))
        assert given["refresh_token"].startswith("prt_")

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic Og=="}], ids=["none", "empty"])
    async def test_who_has_no_credentials_gets_a_token_for_what_is_open_to_all(
        self, server: Guarded, headers: dict[str, str]
    ) -> None:
        """I80; it is no token of anybody who could have another one later."""
        query = "offline_token=true&scope=repository:public/app:pull,push&scope=repository:team/app:pull"
        given = self.check(await server.ask("GET", f"/token?{query}", headers=headers))
        assert self.access(given) == {"public/app": ["pull"]}
        assert "refresh_token" not in given

    @pytest.mark.parametrize(
        ("query", "access"),
        [
            (
                "scope=repository:team/app:pull%20repository:team/b:push,pull",
                {"team/app": ["pull"], "team/b": ["pull", "push"]},
            ),
            ("scope=repository:team/app:*", {"team/app": ["pull", "push"]}),
            ("scope=repository(plugin):team/app:pull", {"team/app": ["pull"]}),
            ("scope=repository:localhost:5000/team/app:pull", {}),
            ("scope=registry:catalog:*", {"catalog": ["*"]}),
            ("scope=unknown:team/app:pull&scope=repository:team/app:fly", {}),
            ("scope=&scope=:&scope=::&scope=:::&scope=repository", {}),
            ("scope=repository:team/a%00:pull&scope=repository:team/%0d%0aa:pull", None),
            ("&".join(f"scope=repository:team/{number}:pull" for number in range(1000)), None),
            ("scope=" + "%20".join(f"repository:x/{number}:pull" for number in range(1000)), {}),
        ],
    )
    async def test_scopes(self, server: Guarded, query: str, access: dict[str, list[str]] | None) -> None:
        """I80, I81: a token allows as much as the policy does, of what is asked for and understood."""
        given = self.check(await server.ask("GET", f"/token?{query}", headers=basic("writer")))
        assert access is None or self.access(given) == access
        assert all(name.startswith("team/") or name == "catalog" for name in self.access(given))

    @pytest.mark.parametrize(
        "form",
        [
            *(b"", b"x", b"\xff", b"grant_type=", b"grant_type=client_credentials", b"&" * 3000, b"a=b&" * 3000),
            *(b"username=admin&password=admin-s3cret", b"grant_type=password&" + b"x" * 300_000),
        ],
        ids=lambda form: str(form[:12]),
    )
    async def test_forms_that_are_none(self, server: Guarded, form: bytes) -> None:
        (await server.ask("POST", "/token", form, FORM)).refused(400, "UNSUPPORTED")

    @pytest.mark.parametrize(
        "form",
        [
            *("grant_type=password", "grant_type=password&username=admin", "grant_type=password&username=&password="),
            *("grant_type=password&username=admin&password=%00", "grant_type=password&username=admin%0A&password=x"),
            *("grant_type=refresh_token", "grant_type=refresh_token&refresh_token=prt_x_y"),
            *(f"grant_type=refresh_token&refresh_token=prt_{'0' * 32}_{'0' * 64}",),
            *("grant_type=password&username=x&password=preg_x_" + "0" * 64, "grant_type=password&password=a.b.c"),
        ],
    )
    async def test_forms_that_open_nothing(self, server: Guarded, form: str) -> None:
        answer = await server.ask("POST", "/token", f"{form}&scope=repository:public/app:pull".encode(), FORM)
        answer.refused(401, "UNAUTHORIZED")
        assert answer.headers.getall("WWW-Authenticate") == ['Basic realm="preg"']

    async def test_wrong_credentials_get_no_token_although_none_would(self, server: Guarded) -> None:
        for headers in (basic("admin", "no"), bearer("x"), {"Authorization": "Basic !"}):
            (await server.ask("GET", "/token", headers=headers)).refused(401, "UNAUTHORIZED")

    async def test_the_keys_are_published(self, server: Guarded) -> None:
        given = self.check(await server.ask("GET", "/token"))
        keys = jwt.PyJWKSet.from_json((await server.ask("GET", "/.well-known/jwks.json")).body.decode())
        key = keys[jwt.get_unverified_header(given["token"])["kid"]]
        assert jwt.decode(given["token"], key, ["EdDSA"], audience="preg", issuer="preg")["sub"] == ""

    @pytest.mark.parametrize("number", [400, 1200])
    async def test_a_token_for_many_repositories_is_taken_for_the_last_of_them(
        self, server: Guarded, number: int
    ) -> None:
        names = [f"team/r{each:04}" for each in range(number)]
        query = "&".join(f"scope=repository:{name}:pull,push" for name in names)
        answer = await server.ask("GET", f"/token?service=preg&account=x&{query}", headers=basic("writer"))
        assert "Warning" not in answer.headers
        headers = bearer(self.check(answer)["token"])
        for name in (names[0], names[-1]):
            assert (await server.ask("POST", f"/v2/{name}/blobs/uploads/", headers=headers)).status == 202

    async def test_who_asks_for_more_than_a_header_holds_is_told_and_gets_the_last(
        self, server: Guarded, caplog: pytest.LogCaptureFixture
    ) -> None:
        names = [f"team/r{each:04}" for each in range(3000)]
        form = f"grant_type=password&username=writer&password={accounts.password('writer')}&scope=nonsense+"
        scopes = "+".join(f"repository:{name}:pull,push" for name in names)
        answer = await server.ask("POST", "/token", (form + scopes).encode(), FORM)
        given = self.check(answer)
        left_out = 3000 - len(self.access(given))
        shortages = (
            f"the first {left_out} scopes are left out, as no more fit into a header",
            "1 scopes are malformed and passed over",
        )
        assert answer.headers["Warning"] == ", ".join(f'299 - "{shortage}"' for shortage in shortages)
        assert caplog.messages == [f"a token for writer: {shortage}" for shortage in shortages]
        headers = bearer(given["token"])
        assert (await server.ask("POST", f"/v2/{names[-1]}/blobs/uploads/", headers=headers)).status == 202
        answer = await server.ask("POST", f"/v2/{names[0]}/blobs/uploads/", headers=headers)
        assert challenge(answer)["error"] == "insufficient_scope"

    async def test_other_methods(self, server: Guarded) -> None:
        answer = await server.ask("PUT", "/token")
        answer.refused(405, "UNSUPPORTED")
        assert answer.headers["Allow"] == "GET, POST"


class TestRights:
    async def push(self, server: Guarded, name: str) -> Digest:
        headers = bearer(await server.token(basic("admin"), f"repository:{name}:pull,push"))
        digest = Digest.of(b"content")
        answer = await server.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", b"content", headers)
        assert answer.status == 201, answer
        return digest

    async def test_a_mount_with_a_token_for_the_destination_alone_becomes_an_upload(self, server: Guarded) -> None:
        """Clients that ask for no second token could not go on after a 401."""
        digest = await self.push(server, "team/source")
        path = f"/v2/team/app/blobs/uploads/?mount={digest}&from=team/source"
        headers = bearer(await server.token(basic("writer"), PUSH))
        answer = await server.ask("POST", path, headers=headers)
        assert (answer.status, answer.headers.get("WWW-Authenticate")) == (202, None)
        digested = f"{answer.headers['Location']}?digest={digest}"
        assert (await server.ask("PUT", digested, b"content", headers)).status == 201

    async def test_a_mount_that_names_no_source_is_told_which_token_would_do(self, server: Guarded) -> None:
        digest = await self.push(server, "team/source")
        path = f"/v2/team/app/blobs/uploads/?mount={digest}"
        headers = bearer(await server.token(basic("writer"), PUSH))
        wanted = challenge(await server.ask("POST", path, headers=headers))["scope"].split()
        assert wanted == [PUSH, "repository:team/source:pull"]
        headers = bearer(await server.token(basic("writer"), *wanted))
        assert (await server.ask("POST", path, headers=headers)).status == 201

    async def test_the_first_challenge_names_both_sides_of_a_mount(self, server: Guarded) -> None:
        digest = await self.push(server, "team/source")
        path = f"/v2/team/app/blobs/uploads/?mount={digest}&from=team/source"
        wanted = challenge(await server.ask("POST", path))["scope"].split()
        headers = bearer(await server.token(basic("writer"), *wanted))
        assert (await server.ask("POST", path, headers=headers)).status == 201

    async def test_a_mount_from_what_nobody_may_pull_becomes_an_upload(self, server: Guarded) -> None:
        digest = await self.push(server, "secret/app")
        scopes = (PUSH, "repository:secret/app:pull")
        headers = bearer(await server.token(basic("writer"), *scopes))
        for query in (f"mount={digest}&from=secret/app", f"mount={digest}"):
            answer = await server.ask("POST", f"/v2/team/app/blobs/uploads/?{query}", headers=headers)
            assert answer.status == 202

    async def test_the_catalog_names_what_the_caller_may_pull(self, server: Guarded) -> None:
        manifest = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
        for name in ("team/app", "secret/app"):
            headers = bearer(await server.token(basic("admin"), f"repository:{name}:pull,push"))
            answer = await server.ask("PUT", f"/v2/{name}/manifests/1", manifest, {**headers, "Content-Type": INDEX})
            assert answer.status == 201, answer
        for user, names in (("reader", ["team/app"]), ("admin", ["secret/app", "team/app"])):
            headers = bearer(await server.token(basic(user), "registry:catalog:*"))
            assert (await server.ask("GET", "/v2/_catalog", headers=headers)).json() == {"repositories": names}

    async def test_a_token_ends_with_the_right_to_it(self, server: Guarded, tmp_path: Path) -> None:
        headers = bearer(await server.token(basic("reader"), "repository:team/app:pull"))
        (await server.ask("GET", "/v2/team/app/tags/list", headers=headers)).refused(404, "NAME_UNKNOWN")
        deny = '\n[[rule]]\nwho = ["reader"]\nrepositories = ["**"]\nactions = ["pull"]\ndeny = true\n'
        (tmp_path / "policy.toml").write_text(accounts.POLICY + deny)
        async with asyncio.timeout(PATIENCE):
            while (answer := await server.ask("GET", "/v2/team/app/tags/list", headers=headers)).status != 401:
                await asyncio.sleep(0.05)
        answer.refused(401, "UNAUTHORIZED")

    async def refused_soon(self, server: Guarded, headers: dict[str, str]) -> None:
        """Wait until a token that was good for the ping is not any more."""
        async with asyncio.timeout(PATIENCE):
            while (answer := await server.ask("GET", "/v2/", headers=headers)).status == 200:
                await asyncio.sleep(0.05)
        assert challenge(answer)["error"] == "invalid_token"

    async def test_a_token_ends_with_its_user(self, server: Guarded, tmp_path: Path) -> None:
        reader, writer = [bearer(await server.token(basic(user))) for user in ("reader", "writer")]
        for headers in (reader, writer):
            assert (await server.ask("GET", "/v2/", headers=headers)).status == 200
        remove_user(tmp_path / "users", "reader")
        set_password(tmp_path / "users", "writer", hash_password("another"))
        for headers in (reader, writer):
            await self.refused_soon(server, headers)

    async def test_a_token_ends_with_its_api_key(self, server: Guarded) -> None:
        key = await server.keys.create("ci", ["team/*"], [Action.PULL])
        headers = bearer(await server.token(basic("any", key)))
        assert (await server.ask("GET", "/v2/", headers=headers)).status == 200
        await server.keys.revoke("ci")
        await self.refused_soon(server, headers)

    async def test_the_log_names_the_rule(self, server: Guarded, caplog: pytest.LogCaptureFixture) -> None:
        headers = bearer(await server.token(basic("reader"), PUSH))
        with caplog.at_level("INFO", "preg.auth"):
            await server.ask("PUT", "/v2/team/app/manifests/1", headers=headers)
        (line,) = caplog.messages
        assert line.startswith("reader is refused push on team/app: no rule of ")


INDEX = "application/vnd.oci.image.index.v1+json"
OURS = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def now(**changes: Any) -> dict[str, Any]:
    """Claims that are right at this moment, but for the changes."""
    this = int(time.time())
    return claims(**({"exp": this + 300, "nbf": this, "iat": this} | changes))


def at(**offsets: int) -> dict[str, Any]:
    """Claims whose times are so many seconds from now."""
    return now(**{name: int(time.time()) + offset for name, offset in offsets.items()})


def hmac(secret: bytes) -> str:
    """A token signed with a key that everybody knows."""
    import hashlib  # noqa: PLC0415
    import hmac as signer  # noqa: PLC0415

    head = {"alg": "HS256", "typ": "JWT", "kid": kid(RSA)}
    signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(now()).encode())}"
    return f"{signed}.{b64(signer.new(secret, signed.encode(), hashlib.sha256).digest())}"


def public(key: rsa.RSAPrivateKey) -> Any:
    return json.loads(key_set(key))["keys"][0]


BAD: dict[str, Callable[[], str]] = {
    "alg none": lambda: (
        f"{b64(json.dumps({'alg': 'none', 'kid': kid(RSA)}).encode())}.{b64(json.dumps(now()).encode())}."
    ),
    "alg none, with a signature": lambda: token(RSA, now(), alg="none"),
    "HS256 with the public key": lambda: hmac(PEM),
    "HS256 with the public JWK": lambda: hmac(json.dumps(public(RSA)).encode()),
    "HS256 with nothing": lambda: hmac(b""),
    "another algorithm than the key's": lambda: token(RSA, now(), alg="ES256"),
    "another audience": lambda: token(RSA, now(aud="other")),
    "no audience": lambda: token(RSA, now(aud=None)),
    "an audience that is a number": lambda: token(RSA, now(aud=5)),
    "another issuer": lambda: token(RSA, now(iss="https://evil.test")),
    "no issuer": lambda: token(RSA, now(iss=None)),
    "no expiry": lambda: token(RSA, now(exp=None)),
    "expired": lambda: token(RSA, at(exp=-90)),
    "not valid yet": lambda: token(RSA, at(nbf=90)),
    "expiry as text": lambda: token(RSA, now(exp=str(int(time.time()) + 300))),
    "expiry as a fraction": lambda: token(RSA, now(exp=time.time() + 300.5)),
    "expiry beyond all": lambda: raw(RSA, b'{"alg":"RS256"}', b'{"exp":1e999}'),
    "nbf as text": lambda: token(RSA, now(nbf="soon")),
    "unknown kid": lambda: token(RSA, now(), kid="unknown"),
    "kid of another kind": lambda: token(RSA, now(), kid=5),
    "no kid": lambda: token(RSA, now(), kid=None),
    "a path for a kid": lambda: token(RSA, now(), kid="../../../../dev/null"),
    "a key of nobody": lambda: token(OTHER, now()),
    "a key of nobody, named as ours": lambda: token(OTHER, now(), kid=kid(RSA)),
    "a key that the token brings": lambda: token(OTHER, now(), jwk=public(OTHER)),
    "a key that the token brings, named as ours": lambda: token(OTHER, now(), kid=kid(RSA), jwk=public(OTHER)),
    "a certificate that the token brings": lambda: token(OTHER, now(), x5c=["AAAA"]),
    "a URL of keys": lambda: token(OTHER, now(), jku="http://127.0.0.1:1/"),
    "crit": lambda: token(RSA, now(), crit=["exp"]),
    "access of another kind": lambda: token(RSA, now(access="everything")),
    "access for another repository": lambda: token(RSA, now(access=[access("other/app", "*")])),
    "access to pull, in a wrong type": lambda: token(RSA, now(access=[{**access("team/app", "pull"), "type": "x"}])),
    "access to names alike": lambda: token(RSA, now(access=[access(name, "pull") for name in ALIKE])),
    "a bit flipped": lambda: token(RSA, now())[:-8] + "AAAAAAAA",
    "no signature": lambda: token(RSA, now()).rpartition(".")[0] + ".",
    "two parts": lambda: token(RSA, now()).rpartition(".")[0],
    "five parts": lambda: "a.b.c.d.e",
    "120 KiB": lambda: token(OTHER, now(jti="x" * 90_000)),
    "100 KB of nothing": lambda: "a" * 100_000,
    "deep JSON": lambda: raw(RSA, b'{"alg":"RS256"}', b"[" * 20_000),
    "not JSON": lambda: raw(RSA, b"{", b"{}"),
    "not UTF-8": lambda: raw(RSA, b"\xff", b"\xff"),
    "a list": lambda: raw(RSA, b"[]", b"[]"),
    "twice": lambda: f"{token(RSA, now())} {token(RSA, now())}",
    "a comma": lambda: f"{token(RSA, now())},",
    "empty": lambda: "",
}
ALIKE = ("team", "team/", "/team/app", "team/app/", "team%2fapp", "Team/app", "team/*", "**", "*", "team/app\0", "")


def access(name: str, *actions: str) -> dict[str, Any]:
    return {"type": "repository", "name": name, "actions": list(actions)}


@pytest.fixture
async def external(tmp_path: Path) -> AsyncIterator[Guarded]:
    """A server that takes the tokens of another issuer."""
    (tmp_path / "keys.json").write_bytes(key_set(RSA, OURS))
    settings = {"realm": "https://auth.test/token", "jwks": str(tmp_path / "keys.json")}
    settings |= {"issuer": PARTIES.issuer, "service": PARTIES.audience}
    text = "[token]\n" + "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    async with guarded(tmp_path, "token", policy="", more=text) as running:
        yield running


class TestAnotherIssuer:
    @pytest.mark.parametrize("key", [RSA, OURS], ids=["RS256", "EdDSA"])
    async def test_its_tokens_allow_what_they_say(self, external: Guarded, key: Any) -> None:
        """So the tests below test something."""
        for made in (token(key, now()), token(key, at(exp=-30)), token(key, now(aud=["x", PARTIES.audience]))):
            headers = bearer(made)
            assert (await external.ask("GET", "/v2/", headers=headers)).status == 200
            assert (await external.ask("POST", "/v2/team/app/blobs/uploads/", headers=headers)).status == 202
            answer = await external.ask("DELETE", "/v2/team/app/manifests/1", headers=headers)
            assert challenge(answer)["error"] == "insufficient_scope"
            assert (await external.ask("GET", "/v2/other/app/tags/list", headers=headers)).status == 401

    async def test_a_key_that_is_withdrawn_ends_its_tokens(self, external: Guarded, tmp_path: Path) -> None:
        headers = bearer(token(RSA, now(exp=10**10)))
        assert (await external.ask("GET", "/v2/", headers=headers)).status == 200
        (tmp_path / "keys.json").write_bytes(key_set(OURS))
        async with asyncio.timeout(PATIENCE):
            while (answer := await external.ask("GET", "/v2/", headers=headers)).status == 200:
                await asyncio.sleep(0.05)
        assert challenge(answer)["error"] == "invalid_token"

    async def test_nothing_is_issued_here(self, external: Guarded) -> None:
        for path in ("/token", "/.well-known/jwks.json"):
            (await external.ask("GET", path)).refused(404, "UNSUPPORTED")

    @pytest.mark.parametrize("name", BAD)
    async def test_what_is_no_token_of_its_opens_nothing(
        self, external: Guarded, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        headers = bearer(BAD[name]())
        for method, path in (
            ("GET", "/v2/team/app/tags/list"),
            ("POST", "/v2/team/app/blobs/uploads/"),
            ("GET", "/v2/_catalog"),
        ):
            answer = await external.ask(method, path, headers=headers)
            answer.refused(401, "UNAUTHORIZED")
            assert challenge(answer)["error"] in ("invalid_token", "insufficient_scope")
        assert "Traceback" not in caplog.text

    async def test_keys_that_cannot_be_fetched(self, tmp_path: Path, unused_tcp_port: int) -> None:
        settings = f'jwks = "http://127.0.0.1:{unused_tcp_port}/"\nrealm = "https://x/"\nissuer = "x"\n'
        async with guarded(tmp_path, "token", policy="", more=f"[token]\n{settings}") as server:
            answer = await server.ask("GET", "/v2/", headers=bearer(token(RSA, now())))
            answer.refused(503, "UNAVAILABLE")
            assert answer.headers["Retry-After"]
            assert (await server.ask("GET", "/v2/")).status == 401
