"""The HTTP client against servers that say exactly what a test wants, sense or nonsense."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.remote.answer import HttpFault
from storage.remote.connection import _BUFFER
from storage.remote.connector import Connector, Origin
from storage.remote.http import Http
from storage.remote.proxies import Proxies
from storage.remote.tls import Tls
from tests.parts import tls
from tests.parts.process import PATIENCE

OK = b"HTTP/1.1 200 OK\r\n"


class Scripted:
    """A server that answers by a script, and what it was asked.

    The script has for each connection what is sent to one request after the other; then it is closed.
    """

    def __init__(self, script: Sequence[Sequence[bytes]]) -> None:
        self.heads: list[str] = []
        self.url = ""
        self.served: list[asyncio.Task[None]] = []
        self._script = list(script)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in self._script.pop(0) if self._script else ():
            try:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            except asyncio.IncompleteReadError:
                break
            writer.write(answer.replace(b"{url}", self.url.encode()))
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def client(tls: Tls | None = None) -> Http:
    return Http(Connector(tls or Tls(), Proxies()))


@asynccontextmanager
async def scripted(*script: Sequence[bytes]) -> AsyncIterator[tuple[Scripted, Http]]:
    server = Scripted(script)
    http = client()
    async with await asyncio.start_server(server.accept, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        try:
            yield server, http
        finally:
            await http.aclose()
            await asyncio.gather(*server.served)


async def fetch(http: Http, url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    response = await http.request(method, url, headers, redirects=True)
    try:
        return response.status, await response.read(1 << 20)
    finally:
        response.release()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (b"content-length:5\r\n\r\nhello and what nobody asked for", b"hello"),
        (b"\r\nuntil the end", b"until the end"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nLate: 1\r\n\r\n", b"hello"),
        (b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    ],
)
async def test_a_body_ends_where_its_head_says(answer: bytes, body: bytes) -> None:
    async with scripted([b"HTTP/1.1 100 Continue\r\n\r\n" + OK + answer]) as (server, http):
        assert await fetch(http, server.url) == (200, body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 twohundred\r\n\r\n",
        OK + b"Content-Length: 5\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"Content-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + OK + b"\r\n",
        b"HTTP/1.1 110 Soon\r\nContent-Length: 5\r\n\r\nhello" + OK + b"\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Content-Length: 5\nHidden: 1\r\n\r\nhello",
        OK + b"Content-Length: -5\r\n\r\nhello",
        OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nLate: " + b"x" * 1_000_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000,
        OK + b"X: y\r\n" * 20_000 + b"\r\n",
        OK + b"x" * 1_000_000,
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_fault(answer: bytes) -> None:
    async with scripted([answer]) as (server, http):
        with pytest.raises(HttpFault):
            await fetch(http, server.url)


@given(st.binary() | st.binary().map(lambda tail: OK + tail))
def test_whatever_a_server_sends_ends_in_an_answer_or_a_fault(answer: bytes) -> None:
    async def attempt() -> None:
        async with scripted([answer]) as (server, http):
            with suppress(HttpFault):
                await fetch(http, server.url)

    asyncio.run(attempt())


async def test_a_connection_serves_again_and_one_that_was_closed_meanwhile_is_replaced() -> None:
    answers = [OK + b"Content-Length: 1\r\n\r\n" + digit for digit in (b"1", b"2")]
    async with scripted(answers, [OK + b"Content-Length: 1\r\n\r\n3"]) as (server, http):
        assert [(await fetch(http, server.url))[1] for _ in range(3)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("end", [b"Connection: close\r\nContent-Length: 1\r\n\r\n1", b"Content-Length: 3\r\n\r\n11"])
async def test_a_connection_that_is_not_clean_is_not_used_again(end: bytes) -> None:
    other, one = (OK + b"Content-Length: 1\r\n\r\n" + digit for digit in (b"2", b"1"))
    async with scripted([OK + end, one], [other]) as (server, http):
        (await http.request("GET", server.url, {})).release()
        assert await fetch(http, server.url) == (200, b"2")


async def test_a_connection_whose_answer_is_there_but_not_read_is_used_again() -> None:
    size = _BUFFER + 1  # so the server has to wait
    unread = OK + b"Content-Length: %d\r\n\r\n" % size + bytes(size)
    async with scripted([unread, OK + b"Content-Length: 1\r\n\r\n1"]) as (server, http):
        response = await http.request("GET", server.url, {})
        while not response._answer.complete:
            await asyncio.sleep(0)
        response.release()
        assert await fetch(http, server.url) == (200, b"1")
        assert len(server.served) == 1


async def test_a_server_waits_while_nobody_reads() -> None:
    size = 8 * _BUFFER
    async with scripted([OK + b"Content-Length: %d\r\n\r\n" % size + bytes(size)]) as (server, http):
        response = await http.request("GET", server.url, {})
        while response._answer.waiting <= _BUFFER:
            await asyncio.sleep(0)
        assert response._connection is not None
        assert response._connection._transport is not None
        assert not response._connection._transport.is_reading()
        assert len(await response.read(size)) == size
        response.release()


async def test_a_connection_over_which_more_comes_unasked_is_closed() -> None:
    more, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 0\r\n\r\n")
        await more.wait()
        writer.write(OK)
        with suppress(OSError):
            await reader.read()
        writer.close()
        closed.set()

    http = client()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        await fetch(http, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        more.set()
        await asyncio.wait_for(closed.wait(), PATIENCE)


@pytest.mark.parametrize(("method", "status"), [("HEAD", b"200"), ("GET", b"204"), ("GET", b"304")])
async def test_some_answers_have_no_body_whatever_they_say(method: str, status: bytes) -> None:
    bodiless = b"HTTP/1.1 " + status + b" Nothing\r\nContent-Length: 5\r\n\r\n"
    async with scripted([bodiless, OK + b"Content-Length: 1\r\n\r\n1"]) as (server, http):
        assert await fetch(http, server.url, method) == (int(status), b"")
        assert await fetch(http, server.url) == (200, b"1")


async def test_what_comes_after_an_answer_is_not_taken_for_the_next() -> None:
    said = OK + b"Content-Length: 1\r\n\r\n1"
    for method, more in (("GET", said.replace(b"1\r\n\r\n1", b"4\r\n\r\nevil")), ("HEAD", b"")):
        async with scripted([said + more, said], [OK + b"Content-Length: 1\r\n\r\n2"]) as (server, http):
            await fetch(http, server.url, method)
            assert await fetch(http, server.url) == (200, b"2")


async def test_a_redirect_is_followed_and_takes_no_credentials_to_somebody_else() -> None:
    here = b"HTTP/1.1 307 There\r\nLocation: /a b%20c?d=%2F\r\nContent-Length: 0\r\n\r\n"
    async with scripted([OK + b"Content-Length: 0\r\n\r\n"]) as (other, _):
        there = f"HTTP/1.1 302 There\r\nLocation: {other.url}/x\r\nContent-Length: 0\r\n\r\n".encode()
        async with scripted([here, there]) as (server, http):
            assert await fetch(http, server.url, Authorization="secret") == (200, b"")
    assert server.heads[1].startswith("GET /a%20b%20c?d=%2F HTTP/1.1\r\n")
    assert "secret" in server.heads[1]
    assert "secret" not in other.heads[0]


async def test_redirects_have_an_end() -> None:
    around = b"HTTP/1.1 301 Here\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n"
    async with scripted([around] * 20) as (server, http):
        with pytest.raises(HttpFault, match="redirects more than"):
            await fetch(http, server.url)


async def test_a_header_cannot_become_two() -> None:
    async with scripted([OK]) as (server, http):
        with pytest.raises(ValueError, match="more than one line"):
            await http.request("GET", server.url, {"Authorization": "Bearer x\r\nHost: evil"})


async def test_an_answer_that_comes_before_all_was_sent_is_taken() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 16)

    async with scripted([b"HTTP/1.1 413 Enough\r\nContent-Length: 0\r\n\r\n"]) as (server, http):
        response = await http.request("PATCH", server.url, {}, endless())
        assert response.status == 413
        response.release()


async def test_a_connection_over_which_half_a_request_went_is_not_used_again() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.Event().wait()

    one, other = (OK + b"Content-Length: 1\r\n\r\n" + digit for digit in (b"1", b"2"))
    async with scripted([OK + b"Content-Length: 0\r\n\r\n", one], [other]) as (server, http):
        (await http.request("PATCH", server.url, {}, stuck())).release()
        assert await fetch(http, server.url) == (200, b"2")


async def test_a_certificate_is_checked_unless_not_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = tls.issue(tmp_path / "tls")
    scripts = [[OK + b"Content-Length: 0\r\n\r\n"]] * 4
    server = Scripted(scripts)
    listening = await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=authority.server())
    async with listening:
        url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        strict, careless = client(), client(Tls(is_insecure=lambda _: True))
        with pytest.raises(HttpFault, match="of an authority that is not known here"):
            await fetch(strict, url)
        assert await fetch(careless, url) == (200, b"")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        trusting = client()
        assert await fetch(trusting, url) == (200, b"")
        for http in (strict, careless, trusting):
            await http.aclose()
        await asyncio.gather(*server.served)


def test_port_0_is_not_taken_for_the_port_of_the_scheme() -> None:
    assert Origin.of("http://127.0.0.1:0/v2/").port == 0
    assert [Origin.of(f"{scheme}://127.0.0.1/v2/").port for scheme in ("http", "https")] == [80, 443]


@pytest.mark.parametrize(
    ("status", "headers", "refused"),
    [
        (b"407", b"Proxy-Authenticate: Basic\r\n", True),
        # tinyproxy's answer to a wrong password, and a registry's to none.
        (b"401", b"", True),
        (b"401", b"WWW-Authenticate: Basic\r\n", False),
    ],
)
async def test_who_wants_a_password_is_known(status: bytes, headers: bytes, refused: bool) -> None:
    async with scripted([b"HTTP/1.1 " + status + b" No\r\n" + headers + b"Content-Length: 0\r\n\r\n"]) as (proxy, _):
        environ = {"HTTP_PROXY": proxy.url.replace("//", "//alice:secret@")}
        http = Http(Connector(Tls(), Proxies.read(environ)))
        if refused:
            with pytest.raises(HttpFault, match=f"the proxy {proxy.url} refuses the user and password"):
                await fetch(http, "http://registry.test/v2/")
        else:
            assert await fetch(http, "http://registry.test/v2/") == (401, b"")
        await http.aclose()
    (head,) = proxy.heads
    assert head.startswith("GET http://registry.test/v2/ HTTP/1.1\r\nHost: registry.test\r\n")
    assert "Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n" in head
