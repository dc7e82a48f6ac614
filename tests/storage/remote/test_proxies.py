"""Which proxy a server is reached through: the rules of Go's clients."""

import base64
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.remote.answer import HttpFault
from storage.remote.proxies import Proxies, Proxy, ProxyInvalid

PROXY = "http://proxy.test:3128"


def goes_through(host: str, no_proxy: str, port: int = 443) -> bool:
    """Whether a server is reached through the proxy."""
    return Proxies.read({"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}).choose("https", host, port) is not None


@pytest.mark.parametrize(
    ("no_proxy", "direct", "proxied"),
    [
        ("", [], ["r.test", "10.0.0.1"]),
        ("r.test", ["r.test", "a.r.test", "b.a.r.test", "R.Test"], ["ar.test", "test", "r.test.x"]),
        (".r.test", ["a.r.test"], ["r.test", "ar.test"]),
        ("*.r.test", ["a.r.test"], ["r.test", "ar.test"]),
        ("*r.test", [], ["r.test", "a.r.test"]),
        (" r.test , x.test ", ["r.test", "x.test"], ["y.test"]),
        ("r.test:443", ["r.test"], []),
        ("r.test:80", [], ["r.test"]),
        ("*", ["r.test", "10.0.0.1", "2001:db8::1"], []),
        ("a,*,b", ["r.test"], []),
        ("10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1"], ["10.0.0.2", "10.0.0.1.test"]),
        ("10.0.0.1:443", ["10.0.0.1"], []),
        ("10.0.0.1:80", [], ["10.0.0.1"]),
        ("10.9.9.9/8", ["10.0.0.1"], ["11.0.0.1", "r.test"]),
        ("::ffff:10.0.0.0/104", ["10.0.0.1"], ["11.0.0.1"]),
        ("2001:db8::/32", ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
        ("[2001:db8::1]:443", ["2001:db8::1"], ["2001:db8::2"]),
        ("2001:db8::1", ["2001:db8::1"], ["2001:db8::2"]),
        ("0.0.0.0/0", ["10.0.0.1"], ["r.test", "2001:db8::1"]),
        # What cannot be an entry is passed over, as Go does.
        ("10.0.0.0/255.0.0.0,10.0.0.0/33,:443,a:b:c,[x", [], ["10.0.0.1", "r.test"]),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(no_proxy: str, direct: list[str], proxied: list[str]) -> None:
    assert [host for host in direct if goes_through(host, no_proxy)] == []
    assert [host for host in proxied if not goes_through(host, no_proxy)] == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_host_is_never_reached_through_a_proxy(host: str) -> None:
    assert not goes_through(host, "")


LABEL = st.from_regex(r"[a-z][a-z0-9]{0,4}", fullmatch=True)
HOST = st.lists(LABEL, min_size=1, max_size=4).map(".".join).filter(lambda host: host != "localhost")
ADDRESS = st.ip_addresses().filter(lambda address: not address.is_loopback)


@given(HOST, HOST, st.integers(1, 65535))
def test_a_domain_covers_itself_and_what_is_below(host: str, domain: str, port: int) -> None:
    below = host == domain or host.endswith(f".{domain}")
    assert goes_through(host, f"x,{domain}:{port}", port) != (below or host == "x" or host.endswith(".x"))
    assert goes_through(host, f".{domain}", port) != (below and host != domain)
    assert goes_through(f"{host}.{domain}", domain, port) is False
    assert goes_through(host, f"{domain}:{port}", port % 65535 + 1)


@given(ADDRESS, ADDRESS, st.integers(0, 32))
def test_a_network_covers_its_addresses_and_no_names(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
    length: int,
) -> None:
    def plain(
        one: ipaddress.IPv4Address | ipaddress.IPv6Address,
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        return getattr(one, "ipv4_mapped", None) or one

    network = ipaddress.ip_network((plain(other), length), strict=False)
    covered = plain(address) in network
    if not plain(address).is_loopback:
        assert goes_through(str(address), f"{plain(other)}/{length}") != covered
        assert goes_through(str(address), str(other)) != (plain(address) == plain(other))
    assert goes_through("r.test", f"{plain(other)}/{length}")


@given(st.text(st.characters(codec="ascii"), max_size=30), HOST | ADDRESS.map(str))
def test_any_text_is_a_list_of_exceptions(no_proxy: str, host: str) -> None:
    assert goes_through(host, no_proxy) in (True, False)


def test_upper_case_goes_before_lower_case_and_what_is_empty_is_not_set() -> None:
    lower = {"http_proxy": "a", "https_proxy": "b", "no_proxy": "c"}
    assert Proxies.read(lower)[:2] == (Proxy("http", "a", 80), Proxy("http", "b", 80))
    upper = {"HTTP_PROXY": "d", "HTTPS_PROXY": "", "NO_PROXY": "e"}
    found = Proxies.read(lower | upper)
    assert found[:2] == (Proxy("http", "d", 80), Proxy("http", "b", 80))
    assert found.choose("https", "c", 1) is not None
    assert found.choose("https", "e", 1) is None
    assert Proxies.read({}) == Proxies(direct=())


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("proxy.test", ("http", "proxy.test", 80)),
        ("proxy.test:3128", ("http", "proxy.test", 3128)),
        ("10.0.0.1:3128", ("http", "10.0.0.1", 3128)),
        ("https://proxy.test", ("https", "proxy.test", 443)),
        ("HTTP://[2001:db8::1]:8080/", ("http", "2001:db8::1", 8080)),
    ],
)
def test_a_proxy_is_a_url_or_the_host_of_one(value: str, meant: tuple[str, str, int]) -> None:
    assert Proxies.read({"HTTPS_PROXY": value}).https == Proxy(*meant)


def test_user_and_password_are_shown_to_the_proxy_and_to_nobody_else() -> None:
    proxy = Proxies.read({"HTTP_PROXY": "http://a%40b:p%3Aw%20%C3%BC@proxy.test"}).http
    assert proxy is not None
    assert base64.b64decode(proxy.authorization.removeprefix("Basic ")).decode() == "a@b:p:w ü"
    assert str(proxy) == repr(proxy) == "http://proxy.test:80"


@pytest.mark.parametrize(
    "value", ["http://", "http://u:secret@", "http://u:secret@h:x", "socks5://u:secret@h", "x://h"]
)
def test_what_names_no_proxy_is_refused_without_its_password(value: str) -> None:
    with pytest.raises(ProxyInvalid, match="http_proxy") as refused:
        Proxies.read({"http_proxy": value})
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_a_client_of_a_cgi_program_may_have_set_is_not_used() -> None:
    found = Proxies.read({"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "REQUEST_METHOD": "GET"})
    with pytest.raises(HttpFault, match="REQUEST_METHOD is set"):
        found.choose("http", "r.test", 80)
    assert found.choose("https", "r.test", 443) is not None
