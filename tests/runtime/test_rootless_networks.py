"""Networks of a user other than root, for real: in a network namespace that stands for the user's host."""

import concurrent.futures
import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts.images import busybox, push
from tests.parts.netns import Netns, netns
from tests.parts.process import ending, kill, output, running
from tests.parts.required import required
from tests.parts.server import Server
from tests.parts.unprivileged import User, unprivileged
from tests.runtime.test_network import (
    UDP_ASK,
    UDP_ECHO,
    WEB,
    Host,
    gateway_of,
    intruding,
    reaches,
    route_of,
    supervisor_of,
    wait_until,
)
from tests.runtime.test_rootless import Rootless

#: Says when it answers under a name.
ASK = "until busybox wget -qO- http://{}/; do busybox usleep 20000; done 2>/dev/null"


@dataclass(frozen=True)
class UsersHost(Host, Rootless):
    """The ``preg`` command of a user other than root, in a network namespace."""

    def carriers(self) -> list[int]:
        """The processes that join the user's networks to the outside."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_of(path, f"{self.state}/hub/program/")]

    def hub(self) -> Netns:
        """What the bridges are in."""
        return _Hub(os.readlink(self.state / "hub/program/namespace"))


class _Hub(Netns):
    """A network namespace that has no name but an open file of somebody."""

    def command(self, *words: str) -> list[str]:
        return [required("nsenter"), f"--net={self.name}", *words]


def _is_of(process: Path, folder: str) -> bool:
    try:
        return os.readlink(process / "fd/1").startswith(folder)
    except OSError:  # it has ended
        return False


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    required("slirp4netns")
    with unprivileged() as made:
        yield made


@pytest.fixture(scope="module")
def host(user: User, server: Server) -> Iterator[UsersHost]:
    push(server, "tests/busybox", "1", busybox("hello"))
    home = user.home / "preg"
    Rootless(home, user=user).ok("pull", f"{server.address}/tests/busybox:1")
    with netns() as namespace:
        yield UsersHost(home, netns=namespace, user=user)


@pytest.fixture(scope="module")
def image(server: Server, host: UsersHost) -> str:
    return f"{server.address}/tests/busybox:1"


@pytest.fixture(autouse=True)
def clean(host: UsersHost) -> Iterator[None]:
    """Nothing may be left of a test's networks, and nothing may go on for them."""
    before = host.run("system", "check").stdout  # it may tell what this host lacks
    yield
    with contextlib.ExitStack() as all_of_them:
        for process in host.carriers():
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                all_of_them.enter_context(ending(process))
        if names := host.ok("ps", "-aq").split():
            host.ok("rm", "-f", *names)
    host.ok("network", "prune", "-f")
    assert list(host.state.glob("networks/*/*@*")) == []
    assert host.run("system", "check").stdout == before


def test_containers_find_each_other_by_name_and_a_port_answers(host: UsersHost, image: str, oci_runtime: str) -> None:
    host.ok("network", "create", "back")
    on_it = ["--network", "back", "--runtime", oci_runtime]
    with running(host.command("run", "--rm", *on_it, image, "sh", "-c", ASK.format("one")), host.environ) as early:
        web = host.serve(image, "web", *on_it, "--network-alias", "one", "-p", "8080:80", "-p", "127.0.0.1:8081:80")
        early.stdout.wait_for(lambda line: line == "web")
    assert host.ok("run", "--rm", *on_it, image, "busybox", "wget", "-qO-", "http://web/") == "web\n"
    assert host.get("http://127.0.0.1:8080/") == host.get("http://127.0.0.1:8081/") == "web"
    assert host.ok("port", "web", "80").splitlines() == ["0.0.0.0:8080", "127.0.0.1:8081"]
    assert list(web["NetworkSettings"]["Networks"]) == ["back"]
    assert "already allocated" in host.fails("run", "-p", "8080:80", *on_it, image, "true", status=125)


def test_the_outside_is_reached_and_reaches_what_is_published(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "back")
    host.ok("network", "create", "--internal", "inner")
    host.serve(image, "web", "--network", "back", "-p", "8080:80")
    with netns() as other:
        ours, its = host.netns.plug_into(other, "192.0.2.0/24")
        assert host.get(f"http://{ours}:8080/", other) == "web"
        assert host.ok("run", "--rm", "--network", "back", image, "busybox", "wget", "-qO-", f"http://{ours}:8080/")
        with running(other.command(sys.executable, "-c", WEB, its, "80")) as web:
            web.stdout.wait_for(lambda line: line == "ready")
            ask = ["busybox", "wget", "-qO-", f"http://{its}/"]
            assert host.ok("run", "--rm", "--network", "back", image, *ask) == ours
            assert host.run("run", "--rm", "--network", "inner", image, *ask).returncode != 0


def test_a_published_udp_port_answers(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "back")
    pid = host.serve(image, "echo", "--network", "back", "-p", "5300:53/udp")["State"]["Pid"]
    with (
        netns() as other,
        running(["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", UDP_ECHO, "53"]) as echo,
    ):
        ours, _ = host.netns.plug_into(other, "192.0.2.0/24")
        echo.stdout.wait_for(lambda line: line == "ready")
        for place in (other, host.netns):
            assert place(sys.executable, "-c", UDP_ASK, ours, "5300", "4001") == "echo hello"


def test_networks_are_apart_until_a_container_is_in_both(host: UsersHost, image: str) -> None:
    for name in ("left", "right"):
        host.ok("network", "create", name)
    address = host.serve(image, "web", "--network", "left")["NetworkSettings"]["IPAddress"]
    pid = host.serve(image, "client", "--network", "right")["State"]["Pid"]
    there = ["nsenter", f"--net=/proc/{pid}/ns/net", required("busybox")]
    ask = [*there, "nc", "-w", "1", address, "80"]
    with running(ask) as attempt:
        assert attempt.wait() != 0
    host.ok("network", "connect", "--alias", "both", "left", "client")
    assert output(*there, "wget", "-qO-", f"http://{address}/") == "web"
    assert "both" in Path(host.inspect("web")["HostsPath"]).read_text()
    host.ok("network", "disconnect", "right", "client")
    assert set(host.inspect("client")["NetworkSettings"]["Networks"]) == {"left"}
    host.ok("network", "disconnect", "left", "client")
    host.ok("network", "connect", "right", "client")
    with running(ask) as attempt:
        assert attempt.wait() != 0
    assert "both" not in Path(host.inspect("web")["HostsPath"]).read_text()


def test_what_is_published_at_loopback_is_for_this_host_alone(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "back")
    host.serve(image, "web", "--network", "back", "-p", "127.0.0.1:8081:80")
    host.serve(image, "alone", "-p", "127.0.0.1:8082:80")
    with intruding(host) as intruder:
        for port, name in ((8081, "web"), (8082, "alone")):
            assert not reaches(intruder, "127.0.0.1", port)
            assert host.get(f"http://127.0.0.1:{port}/") == name
        assert not reaches(intruder, host.inspect("web")["NetworkSettings"]["IPAddress"], 80)


def test_what_is_published_moves_with_the_default_route(host: UsersHost, image: str) -> None:
    for name in ("alpha", "beta"):
        host.ok("network", "create", name)
    host.serve(image, "web", "--network", "beta", "-p", "8080:80")
    for words, network in (("connect alpha", "alpha"), ("disconnect alpha", "beta")):
        host.ok("network", *words.split(), "web")
        assert f"via {gateway_of(host, network)} " in f"{route_of(host, 'web')} "
        assert host.get("http://127.0.0.1:8080/") == "web"


def test_who_is_alone_in_the_default_network_stays_so_while_running(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "back")
    host.serve(image, "web")
    assert host.carriers() == []
    for words in (("connect", "back"), ("disconnect", "bridge")):
        assert "stop it first" in host.fails("network", *words, "web")
    host.ok("stop", "-t", "0", "web")
    host.ok("network", "connect", "back", "web")
    host.ok("restart", "web")
    assert set(host.inspect("web")["NetworkSettings"]["Networks"]) == {"back", "bridge"}
    assert host.ok("run", "--rm", "--network", "back", image, "sh", "-c", ASK.format("web")) == "web\n"


@pytest.mark.parametrize("network", ["bridge", "back"])
def test_a_container_shares_the_network_of_another(host: UsersHost, image: str, network: str) -> None:
    host.ok("network", "create", "back")
    host.serve(image, "web", "--network", network)
    shared = ["run", "--rm", "--network", "container:web", image, "busybox", "wget", "-qO-", "http://127.0.0.1/"]
    assert host.ok(*shared) == "web\n"
    host.ok("stop", "-t", "0", "web")
    assert "does not run" in host.fails(*shared, status=125)


def test_all_containers_that_start_at_once_are_in_one_hub(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "back")
    names = [f"c{number}" for number in range(5)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: host.serve(image, name, "--network", "back"), names))
    assert len(host.carriers()) == 1
    script = "; ".join(f"busybox wget -qO- http://{name}/" for name in names)
    assert host.ok("run", "--rm", "--network", "back", image, "sh", "-c", script).split() == names
    # Whoever could open these could hold their locks.
    assert [(host.state / name).stat().st_mode & 0o077 for name in ("hub", "hub/program")] == [0, 0]


def test_the_hub_ends_with_its_last_container_and_begins_anew(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "back")
    for _ in range(2):
        host.serve(image, "web", "--network", "back", "-p", "8080:80")
        host.serve(image, "other", "--network", "back")
        (carrier,) = host.carriers()
        host.ok("rm", "-f", "other")
        assert host.get("http://127.0.0.1:8080/") == "web"
        assert host.carriers() == [carrier]
        with ending(carrier):
            host.ok("rm", "-f", "web")


def test_a_network_that_is_removed_takes_its_bridge_along(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "kept")
    host.ok("network", "create", "gone")
    host.serve(image, "stays", "--network", "kept")
    before = host.hub().links(), host.hub()("nft", "list", "ruleset")
    host.serve(image, "goes", "--network", "gone", "-p", "8080:80")
    assert "has 1 running containers" in host.fails("network", "rm", "gone")
    host.ok("rm", "-f", "goes")
    host.ok("network", "rm", "gone")
    wait_until(lambda: (host.hub().links(), host.hub()("nft", "list", "ruleset")) == before)
    host.serve(image, "web", "--network", "kept", "-p", "8080:80")
    assert host.get("http://127.0.0.1:8080/") == "web"


def test_a_killed_carrier_is_followed_by_another(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "back")
    host.serve(image, "web", "--network", "back", "-p", "8080:80")
    pid = host.serve(image, "client", "--network", "back")["State"]["Pid"]
    (carrier,) = host.carriers()
    kill(carrier)
    assert "slirp4netns" in host.run("system", "check").stdout
    # Containers have not lost each other.
    address = host.inspect("web")["NetworkSettings"]["IPAddress"]
    (carrier,) = host.carriers()  # which inspect has started
    kill(carrier)
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net", required("busybox"), "wget", "-qO-", f"http://{address}/"]
    assert output(*inside) == "web"
    assert host.run("system", "check", "--repair").returncode == 0
    assert host.get("http://127.0.0.1:8080/") == "web"
    (carrier,) = host.carriers()
    (host.state / "hub/program/ready").unlink()  # as if who has started it had been killed before all was done
    assert host.ok("run", "--rm", "--network", "back", image, "sh", "-c", ASK.format("web")) == "web\n"
    assert (host.state / "hub/program/ready").exists()
    assert host.get("http://127.0.0.1:8080/") == "web"
    assert host.carriers() == [carrier]


def wait_until_ready(host: UsersHost, name: str, *, starts: int) -> None:
    """Wait until a server says that it answers, after so many starts."""
    with running(host.command("logs", "-f", name), host.environ) as log:
        log.stdout.wait_for(lambda _: list(log.stdout).count("ready") == starts)


def test_what_the_killed_have_left_is_put_away(host: UsersHost, image: str) -> None:
    host.ok("network", "create", "back")
    web = host.serve(image, "web", "--network", "back", "-p", "8080:80")
    peer = host.serve(image, "peer", "--network", "back")
    kill(supervisor_of(host, web))
    assert host.inspect("web")["State"]["Status"] == "exited"
    assert "web" not in Path(peer["HostsPath"]).read_text()
    host.ok("start", "web")
    wait_until_ready(host, "web", starts=2)
    assert host.get("http://127.0.0.1:8080/") == "web"
    (carrier,) = host.carriers()
    with ending(carrier):
        kill(*(supervisor_of(host, told) for told in (host.inspect("web"), peer)))
    assert host.ok("ps", "-q") == ""
    host.ok("start", "web", "peer")
    wait_until_ready(host, "web", starts=3)
    assert host.get("http://127.0.0.1:8080/") == "web"


def test_a_subnet_of_slirp4netns_is_refused(host: UsersHost) -> None:
    assert "overlaps 10.0.2.0/24" in host.fails("network", "create", "--subnet", "10.0.0.0/16", "wide")
