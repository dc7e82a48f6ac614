"""Signals as people write them."""

import signal

import pytest

from runtime.errors import UsageError
from runtime.signals import read_signal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", signal.SIGTERM),
        ("sigkill", signal.SIGKILL),
        ("1", signal.SIGHUP),
        ("64", 64),
        ("RTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+0", signal.SIGRTMIN),
        ("SIGRTMIN+30", signal.SIGRTMAX),
        ("rtmax-30", signal.SIGRTMIN),
    ],
)
def test_a_signal_is_read(text: str, number: int) -> None:
    assert read_signal(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "65",
        "-1",
        "NOTHING",
        "TERM+1",
        "SIGRTMIN+31",
        "SIGRTMIN-1",
        "SIGRTMAX+1",
        "RTMAX-31",
        "RTMIN+",
        "RTMIN+x",
    ],
)
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="there is no signal"):
        read_signal(text)
