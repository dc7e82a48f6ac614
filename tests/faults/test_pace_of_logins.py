"""No credentials, however many or long they are, keep all others waiting for longer than a moment."""

import base64
import json
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.auth.forging import b64, key_set
from tests.parts import accounts, paced
from tests.parts import server as server_part
from tests.parts.accounts import basic, bearer
from tests.parts.paced import BY
from tests.parts.server import Server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LOGIN = f"grant_type=password&username=writer&password={accounts.password('writer')}&scope="
ISSUER = "https://issuer.test"
OIDC = """
[[oidc]]
name = "ci"
issuer = "{issuer}"
audience = "preg"
jwks = "{folder}/keys.json"
rules = [{{ claims = {{ sub = "**a**a*b" }}, principal = "ci" }}]
"""
#: Many rules, of which nearly all have to be asked.
RULES = "".join(
    f'[[rule]]\nwho = ["user-{number}", "writer"]\nrepositories = ["**{number}**/*x*"]\nactions = ["pull"]\n'
    for number in range(200)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("pace")
    (folder / "keys.json").write_bytes(key_set(ed25519.Ed25519PrivateKey.generate()))
    config = folder / "preg.toml"
    text = accounts.settings(folder, "token", accounts.POLICY + RULES)
    config.write_text(text + OIDC.format(issuer=ISSUER, folder=folder))
    with server_part.serving(folder / "storage", config, by=BY) as running:
        yield running


@pytest.fixture(autouse=True)
def unhurried(server: Server) -> Iterator[None]:
    with paced.unhurried(server):
        yield


@pytest.mark.parametrize(
    "scopes",
    [
        "+".join(f"repository:team/r{number:04}:pull,push" for number in range(4000)),
        "+".join(f"repository:{number:04}{'x/' * 120}:pull,push" for number in range(900)),
        "+".join(f"a{number}:b:*" for number in range(20_000)),
        "+".join([f"repository:a:{'pull,' * 50}"] * 900),
        "+".join(["repository:" + "a:" * 120] * 900),
        "+" * 250_000,
        ":" * 250_000,
    ],
    ids=["allowed", "long", "unknown", "the same", "colons", "none", "one"],
)
def test_very_many_scopes(server: Server, scopes: str) -> None:
    answer = server.ask("POST", "/token", (LOGIN + scopes).encode()[: 255 * 1024], FORM)
    assert answer.status == 200
    answer = server.ask("GET", "/v2/", headers=bearer(answer.json()["token"]))
    assert answer.status == 200


def test_very_many_parameters(server: Server) -> None:
    for form in (b"&" * 250_000, b"scope=a:b:c&" * 20_000, b"a=" + b"%41" * 80_000):
        assert server.ask("POST", "/token", form, FORM).status == 400


def deep(size: int) -> dict[str, bytes]:
    """JSON that takes long to read for its length."""
    return {
        "objects": b'{"":[' + b"{}," * (size // 3) + b"{}]}",
        "members": b"{" + b'"":0,' * (size // 5) + b'"x":0}',
        "depth": b"[" * size,
        "escapes": b'{"":"' + b"\\ud800" * (size // 6) + b'"}',
    }


@pytest.mark.parametrize("kind", list(deep(0)))
def test_long_tokens_that_nobody_has_signed(server: Server, kind: str) -> None:
    body = b64(deep(60_000)[kind])
    issued = b64(deep(60_000)[kind][:-1] + f',"iss":"{ISSUER}"}}'.encode())
    for head in (b64(b'{"alg":"EdDSA","kid":"x"}'), b64(deep(20_000)[kind])):
        assert server.ask("GET", "/v2/", headers=bearer(f"{head}.{body}.AAAA")).status == 401
        for password in (f"{head}.{body}.AAAA", f"{head}.{issued}.AAAA"):
            form = f"grant_type=password&username=x&password={password}"
            assert server.ask("POST", "/token", form.encode(), FORM).status in (401, 429)


def test_long_headers(server: Server) -> None:
    many = ",".join(f"127.{number // 60_000}.{number // 250 % 250}.{number % 250}" for number in range(8000))
    pair = base64.b64encode(b"a:" + b"x" * 90_000).decode()
    for headers in (
        {"X-Forwarded-For": many},
        {"X-Forwarded-For": "," * 120_000},
        {"Authorization": f"Basic {pair}", "X-Forwarded-For": "192.0.2.1"},
        {"Authorization": " " * 120_000},
        {"X-Forwarded-Proto": "https," * 20_000},
    ):
        assert server.ask("GET", "/token", headers={**basic("nobody"), **headers}).status in (200, 401, 429)
        assert server.ask("GET", "/v2/", headers=headers).status == 401


def test_a_token_of_a_whole_header(server: Server) -> None:
    scopes = "+".join(f"repository:team/r{number:04}:pull,push" for number in range(3000))
    token = server.ask("POST", "/token", (LOGIN + scopes).encode(), FORM).json()["token"]
    assert len(token) > 120_000
    for _ in range(3):
        assert server.ask("POST", "/v2/team/r2999/blobs/uploads/", headers=bearer(token)).status == 202
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["access"][-1]["name"] == "team/r2999"
