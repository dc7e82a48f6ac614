"""What is written of networks, and what is sent to the kernel of them: ports, subnets, addresses, messages."""

import contextlib
import ipaddress
import os
import subprocess
import sys
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import Fault, UsageError
from runtime.network.addresses import (
    Subnet,
    choose_address,
    choose_subnet,
    read_address,
    read_mac,
    read_subnet,
    show,
    show_mac,
)
from runtime.network.hosts import replace_section, without_loopback
from runtime.network.netlink import attribute, message, nested, read_attributes, read_messages
from runtime.network.nftables import Firewall
from runtime.network.ports import Port, Publish, read_exposed, read_publish, show_ports
from tests.parts.required import ROOT

PORTS = st.integers(1, 65535)
ADDRESSES = st.integers(0, 2**32 - 1)
SUBNETS = st.builds(
    lambda address, prefix: Subnet(address >> (32 - prefix) << (32 - prefix), prefix), ADDRESSES, st.integers(1, 30)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [Publish("", 0, 0, 80, "tcp")]),
        ("8080:80", [Publish("", 8080, 8080, 80, "tcp")]),
        ("8080:80/UDP", [Publish("", 8080, 8080, 80, "udp")]),
        ("127.0.0.1:8080:80", [Publish("127.0.0.1", 8080, 8080, 80, "tcp")]),
        ("127.0.0.1::80", [Publish("127.0.0.1", 0, 0, 80, "tcp")]),
        ("8000-8010:80", [Publish("", 8000, 8010, 80, "tcp")]),
        ("80-81:90-91", [Publish("", 80, 80, 90, "tcp"), Publish("", 81, 81, 91, "tcp")]),
        ("90-91", [Publish("", 0, 0, 90, "tcp"), Publish("", 0, 0, 91, "tcp")]),
    ],
)
def test_a_published_port_is_read_as_docker_reads_it(text: str, expected: list[Publish]) -> None:
    assert read_publish(text) == expected


@given(address=ADDRESSES, first=PORTS, count=st.integers(0, 50), inside=PORTS, protocol=st.sampled_from(["tcp", "udp"]))
def test_a_range_is_a_port_each(address: int, first: int, count: int, inside: int, protocol: str) -> None:
    last, last_inside = min(first + count, 65535), min(inside + count, 65535)
    text = f"{show(address)}:{first}-{last}:{inside}-{last_inside}/{protocol}"
    if last - first == last_inside - inside:
        read = read_publish(text)
        assert [each.first for each in read] == [each.last for each in read] == list(range(first, last + 1))
        assert [each.port for each in read] == list(range(inside, last_inside + 1))
        assert {(each.address, each.protocol) for each in read} == {(show(address), protocol)}
    elif last_inside > inside:
        with pytest.raises(UsageError):
            read_publish(text)


@given(st.text(alphabet="0123456789:/-.[]tcpud ²", max_size=24))
def test_what_is_no_port_is_said_to_be_none(text: str) -> None:
    for read in (read_publish, lambda text: read_exposed(text, "--expose")):
        try:
            found = read(text)
        except UsageError:
            continue
        assert found


def test_ports_are_shown_as_docker_ps_shows_them() -> None:
    ports = [Port("0.0.0.0", n, n, "tcp") for n in (8000, 8001, 8002)]
    other = [Port("127.0.0.1", 9000, 90, "tcp"), Port("0.0.0.0", 53, 53, "udp")]
    shown = show_ports([*ports, *other], ["80/tcp", "81/tcp", "90/tcp", "8000/tcp"])
    assert shown == "80-81/tcp, 0.0.0.0:8000-8002->8000-8002/tcp, 0.0.0.0:53->53/udp, 127.0.0.1:9000->90/tcp"
    assert show_ports([], []) == ""


@given(st.text(alphabet="0123456789./ abc²-", max_size=20))
def test_a_subnet_is_one_for_the_standard_library_too(text: str) -> None:
    try:
        expected = ipaddress.IPv4Network(text) if "/" in text else None
    except ValueError:
        expected = None
    try:
        read = str(read_subnet(text, "--subnet"))
    except UsageError:
        read = None
    # A mask in place of the prefix, or no prefix at all, is for others; so is what would be everywhere.
    if expected is not None and expected.prefixlen and text.partition("/")[2] == str(expected.prefixlen):
        assert read == str(expected)
    else:
        assert read is None


@given(SUBNETS, SUBNETS)
def test_subnets_overlap_as_the_standard_library_says(one: Subnet, other: Subnet) -> None:
    expected = ipaddress.IPv4Network(str(one)).overlaps(ipaddress.IPv4Network(str(other)))
    assert one.overlaps(other) == other.overlaps(one) == expected


@given(st.lists(SUBNETS, max_size=20))
def test_a_subnet_that_is_chosen_is_free_and_private(taken: list[Subnet]) -> None:
    try:
        chosen = choose_subnet(taken)
    except Fault:
        assert any(other.prefix < 16 for other in taken)
        return
    assert ipaddress.IPv4Network(str(chosen)).is_private
    assert not any(chosen.overlaps(other) for other in taken)


@given(SUBNETS.filter(lambda subnet: subnet.prefix >= 24), st.data())
def test_addresses_are_given_out_one_by_one_until_none_is_left(subnet: Subnet, data: st.DataObject) -> None:
    last, taken = data.draw(st.integers(subnet.network, subnet.last)), set[int]()
    for _ in range(subnet.last - subnet.network - 1):
        last = choose_address(subnet, subnet, taken, last)
        assert last not in taken
        assert subnet.network < last < subnet.last
        taken.add(last)
    with pytest.raises(Fault, match="is taken"):
        choose_address(subnet, subnet, taken, last)


@given(st.binary(min_size=6, max_size=6).filter(lambda raw: not raw[0] & 1))
def test_a_hardware_address_is_read_as_it_is_shown(raw: bytes) -> None:
    assert read_mac(show_mac(raw)) == raw


@pytest.mark.parametrize(
    "text", ["", "02:42", "02:42:0a:00:00:zz", "01:00:00:00:00:01", "2:4:0:0:0:0:1", "0002:42:0a:0:0:0"]
)
def test_what_is_no_hardware_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_mac(text)


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.256", "::1", "10.0.0.1 ", "10.0.0.\0"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_address(text, "--ip")


KINDS = st.integers(1, 0x3FFF)


@given(st.dictionaries(KINDS, st.binary(max_size=40), max_size=8))
def test_attributes_are_read_as_they_were_written(values: dict[int, bytes]) -> None:
    written = b"".join(attribute(kind, content) for kind, content in values.items())
    assert len(written) % 4 == 0
    assert read_attributes(written) == values
    assert read_attributes(nested(1, written))[1] == written


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(max_size=40)), max_size=5))
def test_messages_are_read_as_they_were_written(messages: list[tuple[int, int, bytes]]) -> None:
    written = b""
    for kind, sequence, body in messages:
        written += message(kind, 0, sequence, body) + bytes(-len(body) % 4)
    assert list(read_messages(written)) == messages


@given(st.binary(max_size=100))
def test_what_the_kernel_cuts_off_ends_the_reading(data: bytes) -> None:
    read_attributes(data)
    list(read_messages(data))
    assert read_attributes(pack("=HH", 0, 0) + data) == {}


NAMES = st.sampled_from(["back", "front", "backend"])


@given(st.lists(st.tuples(NAMES, st.lists(st.text("abc0.", min_size=1), max_size=3)), max_size=10), st.text("ab\n"))
def test_a_section_holds_what_was_said_last_and_leaves_the_rest(changes: list[tuple[str, list[str]]], own: str) -> None:
    text = own
    for network, lines in changes:
        text = replace_section(text, network, lines)
    latest = {network: lines for network, lines in changes if lines}
    for network, lines in dict(changes).items():
        said = text.partition(f"# Network {network}, kept by preg:\n")[2].partition("# End")[0].splitlines()
        assert said == lines
    for network in latest:
        text = replace_section(text, network, [])
    assert text.rstrip("\n") == own.rstrip("\n")
    assert text.startswith(own)


def test_networks_that_change_at_once_do_not_overwrite_each_other(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("mine\n")
    (tmp_path / "containers" / "abc").mkdir(parents=True)

    script = """
import sys
from runtime.network.endpoints import Endpoint, Endpoints
print("ready", flush=True)
sys.stdin.read()
for number in range(100):
    network = f"{sys.argv[2]}-{number}"
    member = Endpoint("id", network, "", "", "abc", "", 24, "", "", ["me"], f"{sys.argv[1]}/hosts", True, [], [])
    Endpoints(sys.argv[1], "id").tell(member, [member])
"""
    names = ("left", "right", "middle")
    with contextlib.ExitStack() as all_of_them:
        changing = [
            all_of_them.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", script, tmp_path, name],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for name in names
        ]
        for each in changing:
            assert each.stdout is not None
            assert each.stdout.readline() == b"ready\n"
        for each in changing:
            assert each.stdin is not None
            each.stdin.close()
        assert [each.wait() for each in changing] == [0, 0, 0]
    lines = file.read_text().splitlines()
    assert lines[0] == "mine"
    assert {f"\tme.{name}-{number}" for name in names for number in range(100)} <= set(lines)


@pytest.mark.parametrize(
    ("host", "container"),
    [
        ("nameserver 192.0.2.1\nsearch example\n", "nameserver 192.0.2.1\nsearch example\n"),
        ("search example\nnameserver 127.0.0.1\nnameserver 192.0.2.1\n", "search example\nnameserver 192.0.2.1\n"),
        ("nameserver 127.0.0.1\nnameserver ::1\n", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
        ("", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
    ],
)
def test_a_resolver_on_the_hosts_loopback_is_none_for_a_container(host: str, container: str) -> None:
    assert without_loopback(host) == container


def test_who_puts_off_closing_keeps_no_more_than_one_open() -> None:
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        Firewall().put_off_closing()
    assert len(os.listdir("/proc/self/fd")) <= open_before + 1
