"""The rows of ``docker_table`` that take a Docker engine with networks; they are written, and compared, as the others.

Networks are called ``n1`` and ``n2``. Addresses that either engine has chosen are not compared.

Where preg differs on purpose:

* ``--ip`` and ``--mac-address`` are taken in every network of one's own, where docker wants one with ``--subnet``;
* ``--network`` names several networks, and the default one among them, where docker 20.10 takes one;
* an internal network has no default route, and one with a running container is not dangling;
* ``network connect`` has no ``--driver-opt``, by which docker names interfaces and sets sysctls of one container,
  nor ``--ip6`` and ``--link-local-ip``, for there is IPv4 only;
* ``network create`` has no ``--ipam-opt``, ``--scope``, ``--ingress`` and ``--config-*``: they are of other drivers,
  and of many hosts;
* an option of the bridge driver that there is none of is refused, where docker keeps it and does nothing.
"""

from typing import Final

Rows = dict[str, tuple[str, ...]]

_ICC: Final = "com.docker.network.bridge.enable_icc"
_MTU: Final = "com.docker.network.driver.mtu"
_SUBNET: Final = "network create --subnet 10.99.1.0/24 n1"
_IPAM: Final = "network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{.IPRange}}{{end}}'"
_ADDRESS: Final = 'sh -c \'busybox ip -4 -o address show eth0 | busybox tr -s " " | busybox cut -d" " -f4\''
_ROUTE: Final = "sh -c 'busybox ip route show default'"
_PINGS: Final = "sh -c 'for n in c1 a b c1.n1 a.n1; do busybox ping -c 1 -w 5 $n > /dev/null; echo $?; done'"
_NAMES: Final = "network ls --format '{{.Name}}'"
_SLEEP: Final = "{image} sleep 1000"

#: What ``run`` and ``create`` have in common, told with ``run``.
_CONTAINER: Final[Rows] = {
    "--network": (
        "network create n1",
        "run --rm --network n1 {image} ls /sys/class/net",
        "run --rm --network name=n1,alias=a {image} true",
        "?run --rm --network nothing {image} true",
        "?run --rm --network n1 --network n1 {image} true",
        "?run --rm --network name=n1,nothing=a {image} true",
        "?run --rm --network name=n1,alias=a --network-alias b {image} true",
        "create --network n1 --name c1 {image} true",
        "inspect -f '{{.HostConfig.NetworkMode}}' c1",
        "inspect -f '{{range $name, $n := .NetworkSettings.Networks}}{{$name}} {{$n.IPAddress}}{{end}}' c1",
    ),
    "--network-alias": (
        "network create n1",
        f"run -d --network n1 --network-alias a --network-alias b --name c1 {_SLEEP}",
        f"run --rm --network n1 {{image}} {_PINGS}",
        "?run --rm --network-alias a {image} true",
        "?run --rm --network name=bridge,alias=a {image} true",
    ),
    "--ip": (
        _SUBNET,
        f"run --rm --network n1 --ip 10.99.1.9 {{image}} {_ADDRESS}",
        f"run --rm --network name=n1,ip=10.99.1.8 {{image}} {_ADDRESS}",
        "?run --rm --network n1 --ip 10.99.2.9 {image} true",
        "?run --rm --network n1 --ip here {image} true",
        "?run --rm --ip 10.99.1.9 {image} true",
        "?run --rm --network name=n1,ip=10.99.1.8 --ip 10.99.1.9 {image} true",
    ),
    "--link": (
        f"run -d --name c1 -h inner {_SLEEP}",
        "run --rm --link c1:a {image} sh -c 'busybox grep -c \"[[:space:]]a inner c1$\" /etc/hosts'",
        "run --rm --link c1 {image} sh -c 'busybox ping -c 1 -w 5 c1 > /dev/null; echo $?'",
        "create --name c2 --link c1:a {image} true",
        "inspect -f '{{json .HostConfig.Links}}' c2",
        "?run --rm --link nothing {image} true",
        "stop -t 0 c1",
        "?start c2",
    ),
    "--publish": (
        f"run -d --name c1 -p 127.0.0.1:8080:80 -p 127.0.0.1:0:81/udp {_SLEEP}",
        "port c1 80",
        "inspect -f '{{json .Config.ExposedPorts}}' c1",
        "?run --rm -p 127.0.0.1:8080:80 {image} true",
        "?run --rm -p 0:80 {image} true",
        "?run --rm -p 127.0.0.1::80 {image} true",
    ),
    "--publish-all": (
        "create --name c1 -P --expose 80 {image} true",
        "inspect -f '{{.HostConfig.PublishAllPorts}} {{json .HostConfig.PortBindings}}' c1",
        "inspect -f '{{json .Config.ExposedPorts}}' c1",
    ),
    "--hostname": (
        "run --rm -h web.example.org {image} sh -c 'busybox hostname -f; busybox hostname -d; busybox hostname -s'",
        "network create n1",
        "run --rm --network n1 -h web.example.org {image} sh -c 'busybox hostname -f; busybox hostname -d'",
    ),
    "--domainname": (
        "run --rm -h web --domainname example.org {image} sh -c 'busybox hostname -f; busybox hostname -d; hostname'",
    ),
}

NETWORK_ROWS: Final[dict[str, Rows]] = {
    "run": _CONTAINER,
    "port": {
        "": (
            f"run -d --name c1 -p 127.0.0.1:8080:80 -p 127.0.0.1:8053:53/udp {_SLEEP}",
            "port c1 80",
            "port c1 53/udp",
            "?port c1 81",
            "?port nothing",
        )
    },
    "network create": {
        "": (
            "network create n1",
            "?network create n1",
            "?network create host",
            "?network create -x",
            "network inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.Attachable}} {{.Ingress}}' n1",
            "network inspect -f '{{.ConfigOnly}} {{.EnableIPv6}} {{json .Labels}} {{json .Containers}}' n1",
            "network inspect -f '{{.IPAM.Driver}} {{json .IPAM.Options}} {{json .ConfigFrom}}' n1",
        ),
        "--subnet": (
            _SUBNET,
            f"{_IPAM} n1",
            "?network create --subnet 10.99.1.0/25 n2",
            "?network create --subnet a n2",
        ),
        "--gateway": (
            "network create --subnet 10.99.1.0/24 --gateway 10.99.1.7 n1",
            "network inspect -f '{{range .IPAM.Config}}{{.Gateway}}{{end}}' n1",
            f"run --rm --network n1 {{image}} {_ROUTE}",
            "?network create --subnet 10.99.2.0/24 --gateway 10.99.3.1 n2",
        ),
        "--ip-range": (
            "network create --subnet 10.99.1.0/24 --gateway 10.99.1.1 --ip-range 10.99.1.128/25 n1",
            f"{_IPAM} n1",
            "?network create --subnet 10.99.2.0/24 --ip-range 10.99.3.0/25 n2",
        ),
        "--aux-address": (
            "network create --subnet 10.99.1.0/24 --aux-address a=10.99.1.2 n1",
            f"run --rm --network n1 {{image}} {_ADDRESS}",
            "network inspect -f '{{range .IPAM.Config}}{{json .AuxiliaryAddresses}}{{end}}' n1",
            "?network create --subnet 10.99.2.0/24 --aux-address a=10.99.3.1 n2",
        ),
        "--internal": (
            "network create --internal n1",
            "network inspect -f '{{.Internal}}' n1",
        ),
        "--opt": (
            f"network create -o {_MTU}=1400 --opt {_ICC}=false n1",
            "run --rm --network n1 {image} cat /sys/class/net/eth0/mtu",
            f"?network create -o {_ICC}=perhaps n2",
        ),
        "--attachable": ("network create --attachable n1", "network inspect -f '{{.Attachable}}' n1"),
        "--label": (
            "network create --label a=b --label c n1",
            "network inspect -f '{{json .Labels}}' n1",
            "network ls --format '{{.Name}}' -f label=a=b -f label=c",
            "network ls --format '{{.Name}}' -f label=a=c",
        ),
        "--driver": ("network create -d bridge n1", "?network create -d nothing n2"),
        "--ipam-driver": ("network create --ipam-driver default n1", "?network create --ipam-driver nothing n2"),
    },
    "network ls": {
        "": ("network create n1", "network ls"),
        "--quiet": ("network create n1", "network ls -q -f name=n1", "network ls -q --no-trunc -f name=n1"),
        "--no-trunc": ("network create n1", "network ls --no-trunc -f name=n1"),
        "--filter": (
            "network create n1",
            "network create n2",
            f"{_NAMES} -f name=n1 -f name=n2",
            f"{_NAMES} -f name=^n1$",
            f"{_NAMES} -f id=",
            f"{_NAMES} -f driver=null -f driver=host",
            f"{_NAMES} -f type=custom -f type=builtin",
            f"{_NAMES} -f scope=local",
            f"{_NAMES} -f scope=swarm",
            f"{_NAMES} -f dangling=true",
            f"{_NAMES} -f dangling=false",
            "?network ls -f dangling=x",
            "?network ls -f type=x",
            "?network ls -f nothing=x",
        ),
        "--format": ("network create n1", "network ls --format Name,Driver,Scope,IPv6,Internal,Labels"),
    },
    "network inspect": {
        "": ("network create n1", "?network inspect n1", "?network inspect nothing"),
        "--format": (
            "network create n1",
            f"run -d --network n1 --name c1 {_SLEEP}",
            "network inspect -f '{{range .Containers}}{{.Name}} {{.IPv6Address}}{{end}}' n1",
            "network inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{json .IPAM}} {{json .Options}}' host none",
        ),
    },
    "network connect": {
        "": (
            "network create n1",
            f"run -d --name c1 {_SLEEP}",
            "network connect n1 c1",
            "?network connect n1 c1",
            "exec c1 ls /sys/class/net",
            "inspect -f '{{range $name, $n := .NetworkSettings.Networks}}{{$name}} {{end}}' c1",
            "?network connect nothing c1",
            "?network connect n1 nothing",
            "?network connect host c1",
            "?network connect none c1",
        ),
        "--alias": (
            "network create n1",
            f"run -d --name c1 {_SLEEP}",
            "network connect --alias a n1 c1",
            "run --rm --network n1 {image} sh -c 'busybox ping -c 1 -w 5 a > /dev/null; echo $?'",
            f"run -d --network none --name c2 {_SLEEP}",
            "?network connect --alias a bridge c2",
        ),
        "--ip": (
            _SUBNET,
            f"run -d --name c1 {_SLEEP}",
            "network connect --ip 10.99.1.9 n1 c1",
            "inspect -f '{{.NetworkSettings.Networks.n1.IPAddress}}' c1",
            "?network connect --ip here n1 c1",
        ),
        "--link": (
            "network create n1",
            f"run -d --network n1 --name c1 {_SLEEP}",
            f"run -d --name c2 {_SLEEP}",
            "network connect --link c1:a n1 c2",
            "exec c2 sh -c 'busybox ping -c 1 -w 5 a > /dev/null; echo $?'",
        ),
    },
    "network disconnect": {
        "": (
            "network create --subnet 10.99.1.0/24 n1",
            "network create --subnet 10.99.2.0/24 n2",
            f"run -d --network n2 --name c1 {_SLEEP}",
            "network connect n1 c1",
            f"exec c1 {_ROUTE}",
            "network disconnect n1 c1",
            f"exec c1 {_ROUTE}",
            "?network disconnect n1 c1",
            "network connect n1 c1",
            "network disconnect n1 c1",
            "restart -t 0 c1",
            f"exec c1 {_ROUTE}",
            "network disconnect n2 c1",
            f"exec c1 {_ROUTE}",
            "?network disconnect host c1",
            "?network disconnect nothing c1",
        ),
        "--force": ("network create n1", f"run -d --network n1 --name c1 {_SLEEP}", "network disconnect -f n1 c1"),
    },
    "network rm": {
        "": (
            "network create n1",
            f"run -d --network n1 --name c1 {_SLEEP}",
            "?network rm n1",
            "stop -t 0 c1",
            "network rm n1",
            "?network rm n1",
            "?start c1",
            "?network rm bridge",
        ),
        "--force": ("network create n1", "?network rm -f nothing", "network rm -f n1", "?network rm -f bridge"),
    },
    "network prune": {
        "": (
            "network create n1",
            "network create n2",
            f"run -d --network n1 --name c1 {_SLEEP}",
            "create --network n2 --name c2 {image} true",
            "network prune -f",
            _NAMES,
        ),
        "--filter": (
            "network create --label a n1",
            "network prune -f --filter until=1h",
            "network prune -f --filter label!=a",
            "network prune -f --filter label=b",
            "?network prune -f --filter until=1h --filter until=2h",
            "?network prune -f --filter nothing=a",
            "network prune -f --filter label=a",
        ),
        "--force": ("network create n1", "network prune --force"),
    },
}
