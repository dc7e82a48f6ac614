"""No secret in anything that a server says: all kinds of credentials, right and wrong; then all output is searched."""

import base64
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.parts import accounts
from tests.parts import server as server_part
from tests.parts.accounts import basic, bearer
from tests.parts.server import Server
from tests.parts.wire import Answer
from tests.registry.doors import MODES

WRONG = "wr0ng-secret"
MARK = "s3cret"
PATHS = ("/v2/", "/v2/_catalog", "/v2/team/app/tags/list", "/v2/team/app/manifests/1", "/nothing", "/token")


@pytest.fixture(params=MODES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    config = tmp_path / "preg.toml"
    config.write_text(accounts.settings(tmp_path, request.param))
    with server_part.serving(tmp_path / "storage", config) as running:
        yield running


def forms(secret: str) -> list[str]:
    """The ways to write a secret, one of which it would be found by."""
    raw = secret.encode()
    return [secret, quote(secret, safe=""), base64.b64encode(raw).decode(), base64.b64encode(raw).decode().rstrip("=")]


def headers(tokens: list[str]) -> Iterator[dict[str, str]]:
    for user in ("admin", "reader", "nobody", f"{MARK}-as-name"):
        yield basic(user)
        yield basic(user, WRONG)
    for token in (*tokens, f"{MARK}.{WRONG}.{MARK}", f"preg_ci_{WRONG}", f"prt_x_{WRONG}", WRONG):
        yield bearer(token)
        yield basic("x", token)
        yield {"Authorization": token}
    for value in (f"Basic {WRONG}!", f"Basic\t{WRONG}", f"Bearer {WRONG} {WRONG}", f"Bearer {WRONG * 20_000}"):
        yield {"Authorization": value}


def from_address(number: int) -> dict[str, str]:
    return {"X-Forwarded-For": f"10.0.0.{number}"}


def broken(server: Server, line: str) -> None:
    """A request that is none, with a secret in it; what is answered is looked at."""
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(line.encode("latin-1"))
        client.shutdown(socket.SHUT_WR)
        said = b""
        while piece := client.recv(65536):
            said += piece
    assert WRONG.encode() not in said


def given_tokens(server: Server) -> list[str]:
    """Tokens of the server, if it has any to give."""
    answer = server.ask("GET", "/token?scope=repository:team/app:pull&offline_token=true", headers=basic("admin"))
    return [answer.json()["token"], answer.json()["refresh_token"]] if answer.status == 200 else []


def ask_for_tokens(server: Server, tokens: list[str]) -> Iterator[Answer]:
    """Ask in every way, rightly and wrongly; only what is not answered with a token is of interest."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for user, secret in (("admin", accounts.password("admin")), ("admin", WRONG), ("nobody", WRONG)):
        query = f"account={user}&username={user}&password={secret}&refresh_token={WRONG}&scope={WRONG}"
        yield server.ask("GET", f"/token?{query}")
        yield server.ask("GET", f"/token?{query}", headers=basic(user, secret))
        yield server.ask("PUT", f"/token?{query}")
        for form in (query, f"{query}&grant_type=password", f"{query}&grant_type=refresh_token", f"{WRONG}=%ff&;&&"):
            yield server.ask("POST", "/token", form.encode(), kind)
            yield server.ask("POST", f"/token?{query}", form.encode() + b"\xff", kind)
    for token in tokens:
        form = f"grant_type=refresh_token&refresh_token={token}x&scope=repository:team/app:pull"
        yield server.ask("POST", "/token", form.encode(), kind)


def test_no_output_holds_a_secret(server: Server) -> None:
    tokens = given_tokens(server)
    assert len(tokens) == (2 if server.ask("GET", "/.well-known/jwks.json").status == 200 else 0)
    answers = list(ask_for_tokens(server, tokens))
    answers = [answer for answer in answers if answer.status != 200]
    for number, (given, path) in enumerate(zip(headers(tokens), itertools.cycle(PATHS), strict=False)):
        # From an address of its own, or it would be slowed down for the failures before it.
        answers.append(server.ask("GET", f"{path}?password={WRONG}", headers={**given, **from_address(number)}))
    answers = [answer for answer in answers if b'"token"' not in answer.body]
    for line in (
        f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRONG}\x01\r\n\r\n",
        f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization {WRONG}\r\n\r\n",
        f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRONG * 20_000}\r\n\r\n",
        f"GET /token?password={WRONG}\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /token?password={WRONG * 10_000} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: {WRONG}\r\n\r\n",
        f"POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{WRONG}\r\n",
        f"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\npassword={WRONG}",
        f"{WRONG}\r\n\r\n",
        f'GET /v2/ HTTP/1.1\r\nHost: {WRONG}"\r\n\r\n',
    ):
        broken(server, line)
    with server.recording():
        pass
    output = "\n".join((*server.process.stdout, *server.process.stderr))
    bodies = "\n".join(f"{dict(answer.headers.items())} {answer.body!r}" for answer in answers)
    assert "preg.auth" in output
    for secret in (WRONG, *map(accounts.password, accounts.PEOPLE), *tokens):
        for form in forms(secret):
            assert form not in output
            assert form not in bodies
    assert "Traceback" not in output
    assert {answer.status for answer in answers} <= {200, 400, 401, 403, 404, 405, 414, 429, 431}
