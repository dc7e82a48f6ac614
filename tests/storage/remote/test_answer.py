"""The answer of a server, however the network cuts it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.remote.answer import Answer, HttpFault

HEAD = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nETag:  y \r\nEmpty:\r\n"


def feed(answer: Answer, data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    for start, stop in pairwise(edges):
        answer.feed(memoryview(data)[start:stop])


@given(st.lists(st.binary(min_size=1)), st.sampled_from(["length", "chunked", "end"]), st.lists(st.integers(0)))
def test_it_is_the_same_however_it_is_cut(pieces: list[bytes], framing: str, cuts: list[int]) -> None:
    body = b"".join(pieces)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    answer = Answer("GET")
    if framing == "length":
        feed(answer, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body, cuts)
    elif framing == "chunked":
        feed(answer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nETag: late\r\n\r\n", cuts)
    else:
        feed(answer, HEAD + b"\r\n" + body, cuts)
        assert not answer.complete
    assert answer.lasting == (framing != "end")
    answer.end(None)
    assert (answer.status, answer.complete, answer.fault, answer.waiting) == (200, True, None, len(body))
    assert (answer.headers.all("etag"), answer.headers.all("empty"), answer.headers.get("link")) == (["y"], [""], "")
    assert b"".join(iter(answer.take, b"")) == body
    assert answer.waiting == 0


@pytest.mark.parametrize("error", [None, HttpFault("reset")])
def test_a_body_that_ends_with_the_connection_must_not_end_in_an_error(error: HttpFault | None) -> None:
    answer = Answer("GET")
    answer.feed(memoryview(b"HTTP/1.1 200 OK\r\n\r\nhel"))
    answer.end(error)
    assert answer.complete == (error is None)
    assert str(answer.fault) == str(error)


@pytest.mark.parametrize(
    ("head", "wrong"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "its body is coded as gzip"),
        (b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "what follows is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Invalid character in Content-Length"),
    ],
)
def test_a_fault_says_what_is_wrong(head: bytes, wrong: str) -> None:
    answer = Answer("GET")
    answer.feed(memoryview(head))
    assert str(answer.fault) == f"the server's answer makes no sense: {wrong}"
