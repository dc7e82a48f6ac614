"""Networks for real, in a network namespace that stands for a host: names, ports, what others reach, what is left."""

import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.parts import docker as docker_part
from tests.parts.images import busybox, push
from tests.parts.netns import Netns, netns
from tests.parts.process import run, running
from tests.parts.required import required
from tests.parts.server import Server
from tests.runtime.conftest import Preg

#: Answers one request after the other with who has asked.
WEB = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    connection, peer = server.accept()
    asked = b""
    while not asked.endswith(b"\\r\\n\\r\\n"):  # what is not read when it is closed would take the answer along
        asked += connection.recv(1000) or b"\\r\\n\\r\\n"
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + peer[0].encode())
    connection.close()
"""
UDP_ECHO = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, peer = server.recvfrom(1000)
    server.sendto(b"echo " + data, peer)
"""
UDP_ASK = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind(("", int(sys.argv[3])))
client.settimeout(20)
client.sendto(b"hello", (sys.argv[1], int(sys.argv[2])))
print(client.recv(1000).decode())
"""


def serving(text: str) -> str:
    """A script that serves a text."""
    return f"mkdir /w; echo {text} > /w/index.html; busybox httpd -p 80 -h /w; echo ready; exec sleep 1000"


@dataclass(frozen=True)
class Host(Preg):
    """preg in a network namespace."""

    netns: Netns

    @property
    def environ(self) -> dict[str, str]:
        return super().environ | {"PREG_STATE": str(self.state)}

    def command(self, *arguments: str) -> list[str]:
        return self.netns.command(*super().command(*arguments))

    def serve(self, image: str, name: str, *options: str) -> dict[str, Any]:
        """Start a web server that answers with its name, and wait until it does; what inspect tells of it."""
        self.ok("run", "-d", "--name", name, *options, image, "busybox", "sh", "-c", serving(name))
        with running(self.command("logs", "-f", name), self.environ) as log:
            log.stdout.wait_for(lambda line: line == "ready")
        return self.inspect(name)

    def inspect(self, name: str) -> dict[str, Any]:
        (found,) = json.loads(self.ok("inspect", name))
        assert isinstance(found, dict)
        return found

    def get(self, url: str, at: Netns | None = None) -> str:
        return (at or self.netns)(required("busybox"), "wget", "-qO-", url)


@pytest.fixture(scope="module")
def host(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with an image; its containers are gone afterwards, and so is all that they had of the network."""
    push(server, "tests/busybox", "1", busybox("hello"))
    home = tmp_path_factory.mktemp("host") / "home"
    Preg(home).ok("pull", f"{server.address}/tests/busybox:1")
    with netns() as namespace:
        yield Host(home, netns=namespace)


@pytest.fixture(scope="module")
def image(server: Server, host: Host) -> str:
    return f"{server.address}/tests/busybox:1"


@pytest.fixture(scope="module")
def neighbour(host: Host) -> Iterator["Neighbour"]:
    """Another host on a cable to ours."""
    with netns() as other:
        ours, its = host.netns.plug_into(other, "192.0.2.0/24")
        other("ip", "route", "add", "10.208.0.0/12", "via", ours)
        yield Neighbour(other, its, ours)


@dataclass(frozen=True)
class Neighbour:
    """A host that ours can reach."""

    netns: Netns
    address: str
    ours: str
    """What it calls our host."""


@pytest.fixture(autouse=True)
def clean(host: Host) -> Iterator[None]:
    yield
    if names := host.ok("ps", "-aq").split():
        host.ok("rm", "-f", *names)
    host.ok("network", "prune", "-f")
    assert [line for line in host.netns("nft", "list", "ruleset").splitlines() if "elements" in line] == []
    assert list(host.state.glob("networks/*/*@*")) == []
    wait_until(lambda: not any(name.startswith("v") for name in host.netns.links()))


def wait_until(is_so: Callable[[], bool]) -> None:
    """The kernel removes the interfaces of a namespace some time after its last process, and tells nobody here."""
    with contextlib.suppress(TimeoutError):
        for _ in range(2000):
            if is_so():
                return
            os.sched_yield()
    assert is_so()


# Names


def test_containers_of_a_network_find_each_other_by_name(host: Host, image: str) -> None:
    host.ok("network", "create", "back")
    first = host.serve(image, "first", "--network", "back", "--network-alias", "one")
    second = host.serve(image, "second", "--network", "back")
    ask = "for name in {}; do busybox wget -qO- http://$name/; done"
    names = f"second {second['Id'][:12]}"
    # Whoever was there first learns of those that come.
    with running(host.command("run", "--rm", "--network", "back", image, "cat", "/etc/hosts"), host.environ):
        assert Path(first["HostsPath"]).read_text().count("\tsecond ") == 1
    said = host.ok("run", "--rm", "--network", "back", image, "sh", "-c", ask.format(f"first one {names}"))
    assert said.split() == ["first", "first", "second", "second"]
    host.ok("rm", "-f", "second")
    assert "second" not in Path(first["HostsPath"]).read_text()
    assert "first" in Path(first["HostsPath"]).read_text()


def test_a_container_that_is_renamed_is_found_by_its_new_name(host: Host, image: str) -> None:
    host.ok("network", "create", "back")
    web = host.serve(image, "web", "--network", "back", "--network-alias", "w")
    host.ok("rename", "web", "shop")
    address = web["NetworkSettings"]["IPAddress"]
    assert f"{address}\tshop w {web['Id'][:12]}\n" in Path(web["HostsPath"]).read_text()


def test_the_file_that_a_container_sees_is_the_one_that_changes(host: Host, image: str) -> None:
    host.ok("network", "create", "back")
    script = "until busybox wget -qO- http://later/; do busybox usleep 20000; done 2>/dev/null"
    waits = host.command("run", "--rm", "--network", "back", image, "sh", "-c", script)
    with running(waits, host.environ) as client:
        host.serve(image, "later", "--network", "back")
        client.stdout.wait_for(lambda line: line == "later")


def test_the_default_network_knows_no_names_but_ones_own(host: Host, image: str) -> None:
    one, two = host.serve(image, "one"), host.serve(image, "two")
    text = Path(one["HostsPath"]).read_text()
    assert f"{one['NetworkSettings']['IPAddress']}\t{one['Id'][:12]}\n" in text
    assert two["NetworkSettings"]["IPAddress"] not in text
    reached = host.ok("run", "--rm", image, "busybox", "wget", "-qO-", f"http://{two['NetworkSettings']['IPAddress']}/")
    assert reached == "two\n"


@pytest.mark.parametrize("network", ["bridge", "back", "none"])
def test_a_container_knows_its_full_name(host: Host, image: str, network: str) -> None:
    host.ok("network", "create", "back")
    ask = ["--network", network, image, "sh", "-c", "hostname -f; hostname -d; hostname; cat /etc/hostname"]
    for names, host_name in (
        (["--hostname", "web", "--domainname", "example.com"], "web"),
        (["--hostname", "web.example.com"], "web.example.com"),
    ):
        said = host.ok("run", "--rm", *names, *ask).split()
        assert said == ["web.example.com", "example.com", host_name, host_name]


def test_a_name_is_known_with_its_network_as_well(host: Host, image: str) -> None:
    host.ok("network", "create", "back")
    web = host.serve(image, "web", "--network", "back", "--network-alias", "shop", "--hostname", "inner")
    names = [f"{name}.back" for name in ("web", "shop", "inner", web["Id"][:12])]
    ask = f"for name in {' '.join(names)}; do busybox wget -qO- http://$name/; done"
    assert host.ok("run", "--rm", "--network", "back", image, "sh", "-c", ask).split() == ["web"] * 4
    host.ok("rename", "web", "other")
    assert host.ok("run", "--rm", "--network", "back", image, "busybox", "wget", "-qO-", "http://other.back/")


@pytest.mark.parametrize("network", ["bridge", "back"])
def test_a_link_is_a_name_that_one_container_has_for_another(host: Host, image: str, network: str) -> None:
    host.ok("network", "create", "back")
    web = host.serve(image, "web", "--network", network, "-h", "inner")
    host.ok("run", "-d", "--network", network, "--link", "web:db", "--name", "app", image, "sleep", "1000")
    ask = ("exec", "app", "busybox", "wget", "-qO-", "http://db/")
    assert host.ok(*ask) == "web\n"
    host.ok("run", "-d", "--network", network, "--name", "apart", image, "sleep", "1000")
    assert not re.search(r"\tdb\s", Path(host.inspect("apart")["HostsPath"]).read_text())
    # Wherever the other one moves, the name follows.
    host.ok("stop", "-t", "0", "web")
    assert not re.search(r"\tdb\s", Path(host.inspect("app")["HostsPath"]).read_text())
    host.ok("run", "-d", "--network", network, "--name", "taker", image, "sleep", "1000")
    host.ok("start", "web")
    moved = host.inspect("web")["NetworkSettings"]["IPAddress"]
    assert moved != web["NetworkSettings"]["IPAddress"]
    known = "" if network == "back" else " inner web"
    assert f"{moved}\tdb{known}\n" in Path(host.inspect("app")["HostsPath"]).read_text()
    assert host.inspect("app")["HostConfig"]["Links"] == (None if network == "back" else ["/web:/app/db"])


def test_what_cannot_be_linked_is_said(host: Host, image: str) -> None:
    host.ok("create", "--name", "web", image, "true")
    assert "does not run" in host.fails("run", "--link", "web", image, "true", status=125)
    assert "no container 'nothing'" in host.fails("run", "--link", "nothing", image, "true", status=125)
    assert "CONTAINER[:ALIAS]" in host.fails("run", "--link", "web:", image, "true", status=125)


# Ports


def test_a_published_port_answers_wherever_it_should(
    host: Host, image: str, neighbour: Neighbour, oci_runtime: str
) -> None:
    web = host.serve(image, "web", "--runtime", oci_runtime, "-p", "8080:80", "-p", "127.0.0.1:8081:80")
    assert host.get("http://127.0.0.1:8080/") == "web"
    assert host.get("http://127.0.0.1:8081/") == "web"
    assert host.get(f"http://{neighbour.ours}:8080/") == "web"
    assert host.get(f"http://{neighbour.ours}:8080/", neighbour.netns) == "web"
    hairpin = ["busybox", "wget", "-qO-", f"http://{neighbour.ours}:8080/"]
    assert host.ok("run", "--rm", image, *hairpin) == "web\n"
    closed = [required("busybox"), "nc", "-w", "1", web["NetworkSettings"]["IPAddress"], "80"]
    for refused in (
        neighbour.netns.command(required("busybox"), "nc", "-w", "1", neighbour.ours, "8081"),
        neighbour.netns.command(*closed),  # nobody but the host gets in past the published port
    ):
        with running(refused) as attempt:
            assert attempt.wait() != 0
    assert host.ok("ps", "--format", "Ports").strip() == "0.0.0.0:8080->80/tcp, 127.0.0.1:8081->80/tcp"
    assert host.ok("port", "web", "80").splitlines() == ["0.0.0.0:8080", "127.0.0.1:8081"]


def test_a_published_udp_port_answers(host: Host, image: str, neighbour: Neighbour) -> None:
    host.serve(image, "echo", "-p", "5300:53/udp")
    # Who goes on asking from the same port is one connection to the kernel, and yet reaches what is there now.
    for _ in range(2):
        pid = host.inspect("echo")["State"]["Pid"]
        inside = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", UDP_ECHO, "53"]
        with running(inside) as echo:
            echo.stdout.wait_for(lambda line: line == "ready")
            ask = [sys.executable, "-c", UDP_ASK]
            assert host.netns(*ask, "127.0.0.1", "5300", "4001") == "echo hello"
            assert neighbour.netns(*ask, neighbour.ours, "5300", "4002") == "echo hello"
        host.ok("stop", "-t", "0", "echo")
        host.ok("start", "echo")


def test_a_container_reaches_others_under_the_hosts_address(host: Host, image: str, neighbour: Neighbour) -> None:
    with running(neighbour.netns.command(sys.executable, "-c", WEB, neighbour.address, "80")) as web:
        web.stdout.wait_for(lambda line: line == "ready")
        ask = ["busybox", "wget", "-qO-", f"http://{neighbour.address}/"]
        assert host.ok("run", "--rm", image, *ask) == neighbour.ours
        host.ok("network", "create", "--internal", "inner")
        assert host.run("run", "--rm", "--network", "inner", image, *ask).returncode != 0


def test_a_port_in_use_is_said_before_anything_starts(host: Host, image: str) -> None:
    host.serve(image, "web", "-p", "8080:80")
    said = host.fails("run", "--name", "other", "-p", "8080:80", image, "true", status=125)
    assert "port is already allocated: 0.0.0.0:8080/tcp" in said
    assert host.inspect("other")["State"]["Status"] == "created"
    with running(host.netns.command(sys.executable, "-c", WEB, "127.0.0.1", "9000")) as web:
        web.stdout.wait_for(lambda line: line == "ready")
        assert "in use" in host.fails("run", "--rm", "-p", "9000:80", image, "true", status=125)


def test_a_port_is_free_once_its_container_has_ended_though_it_is_not_deleted_yet(host: Host, image: str) -> None:
    script = "i=0; while test $i -lt 10000; do i=$((i+1)); : > /tmp/$i; done; echo ready; sleep 1000"
    host.ok("run", "-d", "--rm", "--name", "web", "-p", "8080:80", image, "sh", "-c", script)
    with host.following("logs", "-f", "web") as lines:
        assert next(lines) == "ready"
    host.ok("stop", "-t", "0", "web")
    host.ok("run", "--rm", "-p", "8080:80", image, "true")


def test_free_ports_are_chosen_and_ranges_are_tried(host: Host, image: str) -> None:
    web = host.serve(image, "web", "-P", "--expose", "80")
    ((binding,),) = web["NetworkSettings"]["Ports"].values()
    assert host.get(f"http://127.0.0.1:{binding['HostPort']}/") == "web"
    for free in ("0:80", "127.0.0.1:0:80", "80"):
        other = host.serve(image, "other", "-p", free)
        ((binding,),) = other["NetworkSettings"]["Ports"].values()
        assert host.get(f"http://127.0.0.1:{binding['HostPort']}/") == "other"
        assert binding["HostIp"] == ("127.0.0.1" if free.startswith("127") else "0.0.0.0")
        assert other["Config"]["ExposedPorts"] == {"80/tcp": {}}
        host.ok("rm", "-f", "other")
    for number in range(2):
        host.serve(image, f"of-range-{number}", "-p", "7000-7001:80")
        assert host.get(f"http://127.0.0.1:{7000 + number}/") == f"of-range-{number}"
    assert "7000-7001" in host.fails("run", "--rm", "-p", "7000-7001:80", image, "true", status=125)


# What is kept from others


def bridge_of(host: Host, name: str = "bridge") -> str:
    (told,) = json.loads(host.ok("network", "inspect", name))
    return str(told["Options"]["com.docker.network.bridge.name"])


@contextlib.contextmanager
def intruding(host: Host) -> Iterator[Neighbour]:
    """A host on a cable to ours that sends packets for 127.0.0.1 along it."""
    with netns() as other:
        ours, its = host.netns.plug_into(other, "203.0.113.0/24")
        other("ip", "address", "delete", "127.0.0.1/8", "dev", "lo")
        other(required("busybox"), "sysctl", "-w", "net.ipv4.conf.all.route_localnet=1")
        for subnet in ("127.0.0.0/8", "10.208.0.0/12"):
            other("ip", "route", "add", subnet, "via", ours)
        yield Neighbour(other, its, ours)


@pytest.fixture
def intruder(host: Host) -> Iterator[Neighbour]:
    with intruding(host) as neighbour:
        yield neighbour


def reaches(neighbour: Neighbour, address: str, port: int) -> bool:
    with running(neighbour.netns.command(required("busybox"), "nc", "-w", "1", address, str(port))) as attempt:
        return attempt.wait() == 0


def test_what_is_published_at_loopback_is_for_this_host_alone(host: Host, image: str, intruder: Neighbour) -> None:
    host.serve(image, "web", "-p", "127.0.0.1:8081:80", "-p", "8080:80")
    assert not reaches(intruder, "127.0.0.1", 8081)
    assert not reaches(intruder, "127.0.0.1", 8080)
    assert host.get("http://127.0.0.1:8081/") == "web"
    # Another version of preg had no such rules: the next command makes them, and whatever is published stays so.
    host.netns("nft", "flush", "chain", "ip", bridge_of(host), "guard")
    (version,) = host.state.glob("networks/rules.*")
    assert reaches(intruder, "127.0.0.1", 8081)
    version.unlink()
    host.ok("ps")
    assert not reaches(intruder, "127.0.0.1", 8081)
    assert version.exists()
    assert host.get("http://127.0.0.1:8081/") == host.get(f"http://{intruder.ours}:8080/", intruder.netns) == "web"


def test_no_route_leads_to_a_containers_own_address(host: Host, image: str, intruder: Neighbour) -> None:
    address = host.serve(image, "web", "-p", "8080:80")["NetworkSettings"]["IPAddress"]
    gateway = host.inspect("web")["NetworkSettings"]["Gateway"]
    # Two chains keep it: either alone is enough.
    for chain in ("guard", "isolate"):
        assert not reaches(intruder, address, 80)
        assert host.get(f"http://{gateway}:8080/", intruder.netns) == "web"
        host.netns("nft", "flush", "chain", "ip", bridge_of(host), chain)
        if chain == "guard":
            assert not reaches(intruder, address, 80)
            (version,) = host.state.glob("networks/rules.*")
            version.unlink()
            host.ok("ps")
    assert not reaches(intruder, address, 80)
    host.netns("nft", "flush", "chain", "ip", bridge_of(host), "guard")
    assert reaches(intruder, address, 80)
    host.netns("nft", "delete", "table", "ip", bridge_of(host))


# Lifetime


def supervisor_of(host: Host, told: dict[str, Any]) -> int:
    return int(os.readlink(host.state / "containers" / told["Id"] / "netns").split("/")[2])


def test_a_restart_keeps_the_address_and_the_ports(host: Host, image: str) -> None:
    web = host.serve(image, "web", "-p", "8080:80", "--restart", "always")
    starts = ("events", "--since", "1h", "--filter", "container=web", "--filter", "event=start")
    with running(host.command("logs", "-f", "web"), host.environ) as log, host.following(*starts) as lines:
        next(lines)
        os.kill(web["State"]["Pid"], signal.SIGKILL)
        log.stdout.wait_for(lambda _: list(log.stdout).count("ready") == 2)
        next(lines)  # it may be ready before its supervisor has written down that it runs
    again = host.inspect("web")
    assert again["State"]["Pid"] != web["State"]["Pid"]
    assert again["NetworkSettings"] == web["NetworkSettings"]
    assert host.get("http://127.0.0.1:8080/") == "web"
    host.ok("stop", "-t", "0", "web")
    assert host.inspect("web")["NetworkSettings"]["IPAddress"] == ""
    host.ok("start", "web")
    assert host.inspect("web")["NetworkSettings"]["Ports"] == web["NetworkSettings"]["Ports"]


def test_containers_that_start_at_once_have_addresses_of_their_own(host: Host, image: str) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        started = [pool.submit(host.ok, "run", "-d", image, "sleep", "1000") for _ in range(8)]
        identifiers = [each.result().strip() for each in started]
    addresses = {host.inspect(identifier)["NetworkSettings"]["IPAddress"] for identifier in identifiers}
    assert len(addresses) == 8


def test_what_the_killed_have_left_is_swept_away(host: Host, image: str) -> None:
    host.ok("network", "create", "back")
    peer = host.serve(image, "peer", "--network", "back")
    web = host.serve(image, "web", "--network", "back", "-p", "8080:80")
    for pid in (supervisor_of(host, web), web["State"]["Pid"]):
        os.kill(pid, signal.SIGKILL)
    assert "web" in Path(peer["HostsPath"]).read_text()
    wait_until(lambda: host.inspect("web")["State"]["Status"] == "exited")
    assert "web" not in Path(peer["HostsPath"]).read_text()
    assert "elements" not in host.netns("nft", "list", "ruleset")
    host.ok("start", "web")
    assert host.inspect("web")["NetworkSettings"]["Ports"] == web["NetworkSettings"]["Ports"]


def test_the_check_finds_addresses_of_what_does_not_run(host: Host, image: str) -> None:
    web = host.serve(image, "web")
    for pid in (supervisor_of(host, web), web["State"]["Pid"]):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(host.state / "containers" / web["Id"])
    address = web["NetworkSettings"]["IPAddress"]
    sentence = f"the container {web['Id'][:12]} has the address {address} in a network, and does not run"
    wait_until(lambda: sentence in host.run("system", "check").stdout)
    host.run("system", "check", "--repair")
    assert sentence not in host.run("system", "check").stdout


def test_a_network_that_is_removed_leaves_nothing(host: Host, image: str) -> None:
    before = host.netns.links(), host.netns("nft", "list", "ruleset")
    host.ok("network", "create", "gone")
    host.serve(image, "web", "--network", "gone", "-p", "8080:80")
    assert "has 1 running containers" in host.fails("network", "rm", "gone")
    host.ok("rm", "-f", "web")
    host.ok("network", "rm", "gone")
    wait_until(lambda: (host.netns.links(), host.netns("nft", "list", "ruleset")) == before)
    assert "no network 'gone'" in host.fails("run", "--network", "gone", image, "true", status=125)


def test_rules_that_somebody_flushed_are_made_again(host: Host, image: str) -> None:
    host.serve(image, "web", "-p", "8080:80")
    host.netns("nft", "flush", "ruleset")
    host.ok("run", "--rm", image, "true")
    assert host.get("http://127.0.0.1:8080/") == "web"


# Several networks


def test_networks_are_apart_until_a_container_is_in_both(host: Host, image: str) -> None:
    for name in ("left", "right"):
        host.ok("network", "create", name)
    address = host.serve(image, "web", "--network", "left")["NetworkSettings"]["IPAddress"]
    host.ok("run", "-d", "--name", "client", "--network", "right", image, "sleep", "1000")
    pid = host.inspect("client")["State"]["Pid"]
    ask = ["nsenter", f"--net=/proc/{pid}/ns/net", required("busybox"), "nc", address, "80", "-w"]
    with running([*ask, "1"]) as attempt:
        assert attempt.wait() != 0
    host.ok("network", "connect", "--alias", "both", "left", "client")
    with running([*ask, "60"]) as attempt:
        assert attempt.wait() == 0
    assert "both" in Path(host.inspect("web")["HostsPath"]).read_text()
    assert set(host.inspect("client")["NetworkSettings"]["Networks"]) == {"left", "right"}
    host.ok("network", "disconnect", "right", "client")
    assert set(host.inspect("client")["NetworkSettings"]["Networks"]) == {"left"}
    assert "is not in the network 'right'" in host.fails("network", "disconnect", "right", "client")
    assert "in that network already" in host.fails("network", "connect", "left", "client")


def gateway_of(host: Host, network: str) -> str:
    (told,) = json.loads(host.ok("network", "inspect", network))
    return str(told["IPAM"]["Config"][0]["Gateway"])


def route_of(host: Host, name: str) -> str:
    """Where a container sends what is for elsewhere."""
    inside = f"--net=/proc/{host.inspect(name)['State']['Pid']}/ns/net"
    return host.netns("nsenter", inside, "ip", "-o", "route", "show", "default")


def test_the_default_route_goes_by_the_first_network_by_name(host: Host, image: str) -> None:
    for name in ("beta", "alpha", "gamma"):
        host.ok("network", "create", name)
    web = ["--network", "beta", "-p", "8080:80"]
    host.serve(image, "web", *web)

    def is_by(network: str) -> bool:
        """Whether both ways lead by a network: that out of the container, and that to what it publishes."""
        holders = [path.read_text() for path in host.state.glob("networks/*/*@*") if '"8080"' in path.read_text()]
        assert [json.loads(text)["network_name"] for text in holders] == [network]
        assert host.get("http://127.0.0.1:8080/") == "web"
        return f"via {gateway_of(host, network)} " in f"{route_of(host, 'web')} "

    assert is_by("beta")
    host.ok("network", "connect", "gamma", "web")
    assert is_by("beta")
    host.ok("network", "connect", "alpha", "web")
    assert is_by("alpha")
    host.ok("network", "disconnect", "alpha", "web")
    assert is_by("beta")
    host.ok("network", "disconnect", "beta", "web")
    assert is_by("gamma")
    host.ok("network", "connect", "alpha", "web")
    host.ok("network", "connect", "--gw-priority", "1", "beta", "web")
    assert is_by("beta")
    for restarted in (("restart", "-t", "0", "web"), ("stop", "-t", "0", "web"), ("start", "web")):
        host.ok(*restarted)
    with running(host.command("logs", "-f", "web"), host.environ) as log:
        log.stdout.wait_for(lambda _: list(log.stdout).count("ready") == 3)
    assert is_by("beta")
    for network in ("alpha", "beta", "gamma"):
        host.ok("network", "disconnect", network, "web")
    assert route_of(host, "web") == ""
    host.ok("network", "connect", "alpha", "web")  # what it publishes leads to it again
    assert is_by("alpha")


def test_a_network_without_a_way_out_has_no_default_route(host: Host, image: str) -> None:
    host.ok("network", "create", "--internal", "inner")
    host.ok("network", "create", "outer")
    both = ["--network", "inner", "--network", "outer"]
    host.serve(image, "web", *both, "-p", "8080:80")
    assert f"via {gateway_of(host, 'outer')}" in route_of(host, "web")
    assert host.get("http://127.0.0.1:8080/") == "web"


def test_a_container_shares_the_network_of_another(host: Host, image: str) -> None:
    web = host.serve(image, "web")
    shared = ["run", "--rm", "--network", "container:web", image, "sh", "-c"]
    assert host.ok(*shared, "busybox wget -qO- http://127.0.0.1/; cat /etc/hostname").split() == ["web", web["Id"][:12]]
    host.ok("stop", "-t", "0", "web")
    assert "does not run" in host.fails(*shared, "true", status=125)


def test_an_address_is_given_when_asked_for(host: Host, image: str) -> None:
    host.ok("network", "create", "--subnet", "10.77.0.0/24", "--ip-range", "10.77.0.128/25", "chosen")
    mac = "02:00:00:00:00:09"
    web = host.serve(image, "web", "--network", "chosen", "--ip", "10.77.0.9", "--mac-address", mac)
    assert web["NetworkSettings"]["IPAddress"] == "10.77.0.9"
    assert mac in host.ok("run", "--rm", "--network", "container:web", image, "cat", "/sys/class/net/eth0/address")
    ranged = host.serve(image, "ranged", "--network", "chosen")
    assert ranged["NetworkSettings"]["IPAddress"] == "10.77.0.128"
    for address, sentence in (("10.77.0.9", "is in use"), ("10.78.0.1", "is not in 10.77.0.0/24")):
        assert sentence in host.fails("run", "--network", "chosen", "--ip", address, image, "true", status=125)
    for taken in (["--subnet", "10.77.0.0/16"], ["--subnet", "10.77.0.0/25"]):
        assert "overlaps 10.77.0.0/24" in host.fails("network", "create", *taken, "other")


def test_networks_are_listed_as_docker_lists_them(host: Host) -> None:
    labels = ("--label", "of=tests", "--label", "for=us,them")
    identifier = host.ok("network", "create", *labels, "listed").strip()
    assert "already" in host.fails("network", "create", "listed")
    names = host.ok("network", "ls", "--format", "Name,Driver").splitlines()
    assert names == ["bridge\tbridge", "host\thost", "listed\tbridge", "none\tnull"]
    of_labels = ("label=of", "label=of=tests", "label=for=us,them")
    for wanted in (*of_labels, "name=list", "type=custom", f"id={identifier[:5]}"):
        assert host.ok("network", "ls", "-q", "--filter", wanted) == f"{identifier[:12]}\n"
    assert host.ok("network", "ls", "-q", "--filter", "label=for=us") == ""
    (told,) = json.loads(host.ok("network", "inspect", identifier[:8]))
    assert (told["Name"], told["Id"], told["Labels"]) == ("listed", identifier, {"of": "tests", "for": "us,them"})
    assert host.fails("network", "rm", "bridge") == "the network 'bridge' is predefined, and cannot be removed"
    assert host.ok("network", "rm", "listed") == "listed\n"


def test_a_network_is_found_by_what_a_filter_says_of_it(host: Host, image: str) -> None:
    host.ok("network", "create", "--label", "of=tests", "--label", "kept", "red")
    host.ok("network", "create", "--label", "of=tests", "tan")
    host.serve(image, "web", "--network", "tan")

    def found(*wanted: str) -> list[str]:
        filters = [word for each in wanted for word in ("--filter", each)]
        return host.ok("network", "ls", "--format", "Name", *filters).split()

    everything = ["bridge", "host", "none", "red", "tan"]
    assert found("name=red", "name=tan") == ["red", "tan"]
    assert found("type=custom", "type=builtin") == everything
    assert found("driver=null", "driver=host") == ["host", "none"]
    assert found("label=of=tests", "label=kept") == ["red"]
    assert found("name=red", "name=tan", "label=kept") == ["red"]
    assert found("scope=local") == everything
    assert found("scope=swarm") == []
    assert found("dangling=true") == ["red"]
    assert found("dangling=false") == ["bridge", "host", "none", "tan"]
    assert "it is true or 1 or false or 0" in host.fails("network", "ls", "--filter", "dangling=x", status=2)


def test_networks_that_nobody_uses_are_pruned(host: Host, image: str) -> None:
    before = host.netns.links(), host.netns("nft", "list", "ruleset")
    for name, *labels in (("used",), ("kept", "--label", "keep"), ("old",), ("stopped",)):
        host.ok("network", "create", *labels, name)
    host.serve(image, "web", "--network", "used")
    host.serve(image, "plain")
    host.ok("create", "--name", "later", "--network", "stopped", image, "true")
    old = host.home / "networks/old.json"
    old.write_text(json.dumps(json.loads(old.read_text()) | {"created": 1.0}))
    assert host.ok("network", "prune", "-f", "--filter", "until=24h") == "Deleted Networks:\nold\n\n"
    twice = ("network", "prune", "-f", "--filter", "until=24h", "--filter", "until=2h")
    assert "more than once" in host.fails(*twice, status=2)
    assert host.ok("network", "prune", "-f", "--filter", "label!=keep") == "Deleted Networks:\nstopped\n\n"
    assert host.ok("network", "prune", "-f") == "Deleted Networks:\nkept\n\n"
    assert "no network" in host.fails("start", "later")
    # Of the default network there is nothing left on the host, until a container is in it again.
    bridge = bridge_of(host)
    assert bridge in host.netns.links()
    host.ok("rm", "-f", "plain", "web")
    assert host.ok("network", "prune", "-f") == "Deleted Networks:\nused\n\n"
    wait_until(lambda: (host.netns.links(), host.netns("nft", "list", "ruleset")) == before)
    host.serve(image, "plain", "-p", "8080:80")
    assert host.get("http://127.0.0.1:8080/") == "plain"
    assert bridge_of(host) == bridge


def test_who_may_not_make_networks_may_name_and_remove_them(preg: Preg) -> None:
    unprivileged = [required("setpriv"), "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
    for words, printed in (
        (["network", "ls", "--format", "Name"], "bridge\nhost\nnone\n"),
        (["ps", "-q"], ""),
        (["network", "create", "one"], None),
        (["network", "rm", "one"], "one\n"),
        (["network", "prune", "-f"], ""),
    ):
        done = run(*unprivileged, *preg.command(*words), env=preg.environ)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert printed in (done.stdout, None)


def test_a_network_that_is_not_there_is_removed_by_force(host: Host) -> None:
    host.ok("network", "create", "one")
    assert host.ok("network", "rm", "-f", "nothing", "one") == "one\n"
    assert "no network 'nothing'" in host.fails("network", "rm", "nothing")
    assert "predefined" in host.fails("network", "rm", "-f", "bridge")


def test_what_happens_to_networks_is_told_as_docker_tells_it(host: Host, image: str) -> None:
    def told(*filters: str) -> list[tuple[str, str, dict[str, str]]]:
        words = [word for each in filters for word in ("--filter", each)]
        lines = host.ok("events", "--since", "1h", "--until", "0s", "--format", "json", *words).splitlines()
        events = map(json.loads, lines)
        return [(event["Action"], event["id"], event["Actor"]["Attributes"]) for event in events]

    red = host.ok("network", "create", "red-one").strip()
    tan = host.ok("network", "create", "tan-one").strip()
    web = host.serve(image, "web", "--network", "red-one")["Id"]
    host.ok("network", "connect", "tan-one", "web")
    host.ok("network", "disconnect", "red-one", "web")
    host.ok("rm", "-f", "web")
    host.ok("network", "rm", "red-one")
    host.ok("network", "prune", "-f")
    of_red, of_tan = {"name": "red-one", "type": "bridge"}, {"name": "tan-one", "type": "bridge"}
    assert told("type=network", f"network={red}", f"network={tan}") == [
        ("create", red, of_red),
        ("create", tan, of_tan),
        ("connect", red, of_red | {"container": web}),
        ("connect", tan, of_tan | {"container": web}),
        ("disconnect", red, of_red | {"container": web}),
        ("disconnect", tan, of_tan | {"container": web}),
        ("destroy", red, of_red),
        ("destroy", tan, of_tan),
    ]
    assert told("type=network")[-1] == ("prune", "", {"reclaimed": "0"})
    assert {action for action, _, _ in told("network=red")} == {"create", "connect", "disconnect", "destroy"}
    assert [each for each in told("event=connect") if each[1] in {red, tan}] == told(
        "event=connect", "network=red-one", "network=tan-one"
    )
    order = [action for action, identifier, _ in told("type=network", "type=container") if identifier in {web, red}]
    assert order == ["create", "create", "connect", "start", "disconnect", "kill", "die", "stop", "destroy", "destroy"]


# Options of a bridge


ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
NAME = "com.docker.network.bridge.name"
MTU = "com.docker.network.driver.mtu"


def test_containers_may_be_kept_from_each_other(host: Host, image: str, neighbour: Neighbour) -> None:
    host.ok("network", "create", "-o", f"{ICC}=false", "apart")
    web = host.serve(image, "web", "--network", "apart", "-p", "8080:80")["NetworkSettings"]
    host.ok("run", "-d", "--name", "other", "--network", "apart", image, "sleep", "1000")
    inside = replace(host.netns, name=f"../../proc/{host.inspect('other')['State']['Pid']}/ns/net")
    other = Neighbour(inside, "", "")
    # Neither the bridge nor this host, as the router, passes anything on, whether bridges are filtered or not.
    for filtered in ("1", "0"):
        if Path("/proc/sys/net/bridge").exists():
            host.netns(required("busybox"), "sysctl", "-w", f"net.bridge.bridge-nf-call-iptables={filtered}")
        assert not reaches(other, web["IPAddress"], 80)
    inside("ip", "route", "add", web["IPAddress"], "via", web["Gateway"])
    assert not reaches(other, web["IPAddress"], 80)
    bridge = bridge_of(host, "apart")
    assert f'iifname "{bridge}" oifname "{bridge}" accept' not in host.netns("nft", "list", "ruleset")
    assert host.get(f"http://{web['IPAddress']}/") == host.get("http://127.0.0.1:8080/") == "web"


def test_others_may_see_the_addresses_of_containers(host: Host, image: str, neighbour: Neighbour) -> None:
    host.ok("network", "create", "-o", f"{MASQUERADE}=false", "seen")
    with running(neighbour.netns.command(sys.executable, "-c", WEB, neighbour.address, "80")) as web:
        web.stdout.wait_for(lambda line: line == "ready")
        ask = f"hostname -i; busybox wget -qO- http://{neighbour.address}/"
        address, seen = host.ok("run", "--rm", "--network", "seen", image, "sh", "-c", ask).split()
    assert address == seen


def test_a_bridge_is_made_as_it_was_asked_for(host: Host, image: str, neighbour: Neighbour) -> None:
    asked = {NAME: "mine0", MTU: "1400", HOST_BINDING: "127.0.0.1"}
    options = [word for name, value in asked.items() for word in ("--opt", f"{name}={value}")]
    reserved = ["--subnet", "10.99.0.0/29", "--aux-address", "router=10.99.0.2", "--aux-address", "printer=10.99.0.4"]
    host.ok("network", "create", *options, *reserved, "--attachable", "--ipv4", "--ipam-driver", "default", "special")
    web = host.serve(image, "web", "--network", "special", "-p", "8080:80", "-p", "0.0.0.0:8081:80")
    assert web["NetworkSettings"]["IPAddress"] == "10.99.0.3"
    assert host.serve(image, "next", "--network", "special")["NetworkSettings"]["IPAddress"] == "10.99.0.5"
    asks = ("run", "--network", "special", "--ip", "10.99.0.4", image, "true")
    assert "in use" in host.fails(*asks, status=125)
    assert "mtu 1400" in host.netns("ip", "link", "show", "mine0")
    assert host.ok("exec", "web", "cat", "/sys/class/net/eth0/mtu") == "1400\n"
    assert host.ok("port", "web", "80").split() == ["127.0.0.1:8080", "0.0.0.0:8081"]
    assert not reaches(neighbour, neighbour.ours, 8080)
    assert reaches(neighbour, neighbour.ours, 8081)
    (told,) = json.loads(host.ok("network", "inspect", "special"))
    assert told["Options"] == asked
    assert told["Attachable"] is True
    assert told["IPAM"]["Config"][0]["AuxiliaryAddresses"] == {"router": "10.99.0.2", "printer": "10.99.0.4"}
    host.ok("rm", "-f", "web", "next")
    host.ok("network", "rm", "special")
    assert "mine0" not in host.netns.links()


def test_an_interface_of_somebody_else_is_left_alone(host: Host, image: str) -> None:
    assert "already" in host.fails("network", "create", "-o", f"{NAME}=lo", "wrong")
    host.ok("network", "create", "-o", f"{NAME}=later0", "special")
    assert "already" in host.fails("network", "create", "-o", f"{NAME}=later0", "twice")
    host.netns("ip", "link", "add", "later0", "type", "bridge")
    assert "somebody else's" in host.fails("run", "--network", "special", image, "true", status=125)
    host.ok("network", "rm", "special")
    assert "later0" in host.netns.links()
    host.netns("ip", "link", "delete", "later0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--opt", "a=b"], "--opt a: the bridge driver has"),
        (["--opt", f"{ICC}=perhaps"], "it is true or false"),
        (["--opt", f"{MTU}=9"], "it is a number from 68 to 65535"),
        (["--opt", f"{NAME}=much/too-long"], "an interface's name"),
        (["--opt", f"{HOST_BINDING}=here"], "IPv4 address"),
        (["--ipv6"], "IPv4 addresses only"),
        (["--ipv4=false"], "IPv4 addresses only"),
        (["--ipam-driver", "other"], "there is only default"),
        (["--driver", "overlay"], "there is only bridge"),
        (["--aux-address", "a=10.99.0.5"], "give that by --subnet"),
        (["--subnet", "10.99.0.0/24", "--aux-address", "a=10.98.0.5"], "an address of 10.99.0.0/24"),
        (["--subnet", "10.99.0.0/24", "--aux-address", "10.99.0.5"], "NAME=ADDRESS"),
    ],
)
def test_what_a_network_cannot_be_is_said(host: Host, words: list[str], said: str) -> None:
    assert said in host.fails("network", "create", *words, "wrong", status=2)


def test_a_subnet_that_somebody_takes_meanwhile_is_given_up(host: Host, image: str, neighbour: Neighbour) -> None:
    host.ok("network", "create", "moves")
    subnet = json.loads(host.ok("network", "inspect", "moves"))[0]["IPAM"]["Config"][0]["Subnet"]
    host.netns("ip", "route", "add", subnet, "via", neighbour.address)
    web = host.serve(image, "web", "--network", "moves")
    moved = json.loads(host.ok("network", "inspect", "moves"))[0]["IPAM"]["Config"][0]["Subnet"]
    assert moved != subnet
    assert web["NetworkSettings"]["Gateway"] in moved.replace(".0/20", ".1/20")
    host.netns("ip", "route", "del", subnet)


# Docker


def test_an_old_iptables_that_drops_lets_the_network_through(host: Host, image: str, neighbour: Neighbour) -> None:
    old = required("iptables-legacy")
    host.netns(old, "-P", "FORWARD", "DROP")
    rules = host.netns(old, "-S")
    with running(neighbour.netns.command(sys.executable, "-c", WEB, neighbour.address, "80")) as web:
        web.stdout.wait_for(lambda line: line == "ready")
        host.ok("network", "create", "back")
        ask = ["busybox", "wget", "-qO-", f"http://{neighbour.address}/"]
        assert host.ok("run", "--rm", "--network", "back", image, *ask) == neighbour.ours
        host.serve(image, "web", "--network", "back", "-p", "8080:80")
        assert host.get(f"http://{neighbour.ours}:8080/", neighbour.netns) == "web"
    host.ok("rm", "-f", "web")
    host.ok("network", "rm", "back")
    assert host.netns(old, "-S") == rules
    host.netns(old, "-P", "FORWARD", "ACCEPT")


@contextlib.contextmanager
def not_yet_forwarding() -> Iterator[Netns]:
    """A host on which Docker is the first to switch forwarding on: only then it drops what it does not know."""
    with netns() as namespace:
        namespace(required("busybox"), "sysctl", "-w", "net.ipv4.ip_forward=0")
        yield namespace


@pytest.mark.xdist_group("docker")
def test_docker_and_preg_stay_out_of_each_others_way(host: Host, image: str) -> None:
    with (
        not_yet_forwarding() as namespace,
        netns() as outside,
        tempfile.TemporaryDirectory(prefix="preg-docker-") as folder,
        docker_part.engine_in(Path(folder), namespace) as docker,
    ):
        ours, its = namespace.plug_into(outside, "198.51.100.0/24")
        beside, rules = replace(host, netns=namespace), namespace("iptables", "-S")
        assert "-P FORWARD DROP" in rules
        docker.load(busybox(), "theirs:1")
        docker("run", "-d", "--name", "theirs", "-p", "9090:80", "theirs:1", "busybox", "sh", "-c", serving("theirs"))
        wait_until(lambda: docker("logs", "theirs") == "ready")
        both = namespace("iptables", "-S")
        beside.ok("network", "create", "back")
        beside.serve(image, "web", "--network", "back", "-p", "8080:80")
        for port, name in ((8080, "web"), (9090, "theirs")):
            assert beside.get(f"http://127.0.0.1:{port}/") == name
            assert beside.get(f"http://{ours}:{port}/", outside) == name
            ask = ["busybox", "wget", "-qO-", f"http://{ours}:{port}/"]
            assert beside.ok("run", "--rm", "--network", "back", image, *ask) == f"{name}\n"
            assert docker("run", "--rm", "theirs:1", *ask) == name
        with running(outside.command(sys.executable, "-c", WEB, its, "80")) as web:
            web.stdout.wait_for(lambda line: line == "ready")
            ask = ["busybox", "wget", "-qO-", f"http://{its}/"]
            assert beside.ok("run", "--rm", "--network", "back", image, *ask) == ours
            assert docker("run", "--rm", "theirs:1", *ask) == ours
        beside.ok("rm", "-f", "web")
        beside.ok("network", "rm", "back")
        assert namespace("iptables", "-S") == both
        docker("rm", "-f", "theirs")
        assert namespace("iptables", "-S") == rules
