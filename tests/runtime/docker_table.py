"""Every command and option of preg beside docker's: what to type to either, or why they cannot be compared.

A row is a list of lines that both are given, one after the other; their exit statuses and what they print are the same.
``{image}`` has a shell, ``{files}`` is a folder with some files, ``{own}`` a folder of either's own. Behind ``<<<`` comes
standard input. A line that begins with ``?`` is compared by its exit status alone, and ``@ready NAME`` waits until the
container has printed a line. ``--network none`` is added where no network is named, for docker's engine here has none.

Where preg differs on purpose, the row is ``ON_THE_PAGE``, which explains it to users, too.
"""

from typing import Final

ON_THE_PAGE: Final = "docs/differences.md"

Rows = dict[str, tuple[str, ...] | str]


def _status(fields: str) -> str:
    """Print what the kernel says of the first process."""
    return f"sh -c 'while read a b; do case $a in {fields}) echo $a $b;; esac; done < /proc/1/status'"


_QUOTA: Final = "sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; :'"
_PIDS: Final = "sh -c 'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; :'"
_TRAP: Final = """sh -c 'trap "echo caught; exit 9" TERM USR1; echo ready; while :; do sleep 0.05; done'"""
_NETWORKS: Final = (
    "docker's engine here has no networks; tests/runtime/test_networks_against_docker.py has one that does"
)
_PRIVILEGED: Final = (
    "docker asks for capabilities that root of this host may lack; tests/runtime/test_isolation.py looks"
)
_KEYS: Final = "tests/runtime/test_containers.py types them; a table has no terminal to type on"

_NEWER_DOCKER: Final = "docker's engine here is too old; tests/runtime/test_platform.py looks at each"
_ATTACHED: Final = "Config.AttachStdin,Config.AttachStdout,Config.AttachStderr,Config.OpenStdin,Config.StdinOnce"

#: What is another container's, where its network is shared.
_OF_ANOTHERS_NETWORK: Final = (
    *("--hostname a", "--dns 10.0.0.53", "--add-host a:10.0.0.1", "-p 80", "-P", "--expose 80", "--network-alias a"),
    "--link c1",
)


def _on_no_network(option: str) -> tuple[str, ...]:
    """Give an option to a container that has no network of its own."""
    return tuple(f"?run --rm --network {network} {option} {{image}} true" for network in ("none", "host"))


#: What ``run`` and ``create`` have in common, told with ``run --rm``.
_CONTAINER: Final[Rows] = {
    "--label": (
        "create -l a=b --label c --label d=e=f --name c1 {image} true",
        "inspect -f Config.Labels c1",
        *(f"?create --label '{label}' {{image}} true" for label in ("", "=a", " ", "a b=c")),
    ),
    "--label-file": ("create --label-file {files}/labels --name c1 {image} true", "inspect -f Config.Labels c1"),
    "--cidfile": (
        "create --name c1 --cidfile {own}/id {image} true",
        "?create --name c2 --cidfile {own}/id {image} true",
        "?create --name c2 --cidfile {own}/none/id {image} true",
        "run --rm --cidfile '' {image} true",
        "?create --name c3 --cidfile {own}/none/id {image} true",
        "ps -a --format Names",
    ),
    "--stop-timeout": (
        "create --stop-timeout 3 --name c1 {image} true",
        "inspect -f Config.StopTimeout c1",
        "?create --stop-timeout soon {image} true",
    ),
    "--interactive": (
        "run --rm -i {image} cat <<< typed",
        "run --rm {image} cat <<< typed",
        "run --rm -i=false {image} cat <<< typed",
        "?run --rm -i=perhaps {image} true",
    ),
    "--tty": ("run --rm -t {image} sh -c 'test -t 1 && echo terminal $TERM; exit 3'",),
    "--env": (
        "run --rm -e A=1 -e 'B=x  y' -e UNSET_HERE -e PATH=/bin:/x {image} sh -c 'echo $A \"$B\" $UNSET_HERE $PATH'",
        "?run --rm -e =x {image} true",
    ),
    "--volume": (
        "run --rm -v {files}:/data:ro {image} sh -c 'cat /data/labels; echo x > /data/new'",
        "run --rm -v {own}:/data {image} sh -c 'echo kept > /data/file'",
        "run --rm -v {own}/file:/file {image} cat /file",
        "?run --rm -v {own}:data {image} true",
        "run --rm -v below {image} ls /",
        "?run --rm -v below:/data --tmpfs /data {image} true",
        *(f"?run --rm -v {{own}}:/data:{mode} {{image}} true" for mode in ("rw,ro", "z,Z", "rshared,rslave", "ro,")),
        *(f"?run --rm -v {{own}}:/data:{mode} {{image}} true" for mode in ("rshared", "slave")),
    ),
    "--volume-driver": (
        "run --rm --volume-driver local -v c1:/data {image} echo here",
        "volume rm c1",
        "?run --rm --volume-driver nothing -v c1:/data {image} true",
    ),
    "--volumes-from": (
        "create --name c1 -v {files}:/data:ro {image} true",
        "run --rm --volumes-from c1 {image} sh -c 'cat /data/labels; echo x > /data/new'",
        "?run --rm --volumes-from nothing {image} true",
    ),
    "--workdir": ("run --rm -w /made/here {image} sh -c pwd", "?run --rm -w here {image} sh -c pwd"),
    "--entrypoint": (
        "run --rm --entrypoint echo {image} a b",
        "run --rm --entrypoint echo {image}",
        "?run --rm --entrypoint '' {image}",
    ),
    "--network": (
        "run --rm --network none {image} ls /sys/class/net",
        "run --rm --network host {image} busybox readlink /proc/self/ns/net",
        "?run --rm --network nothing {image} true",
        "run -d --name c1 --network none {image} sleep 1000",
        "run --rm --network container:c1 {image} ls /sys/class/net",
        "run --rm --network name=container:c1 {image} ls /sys/class/net",
        *(f"?run --rm --network container:c1 {option} {{image}} true" for option in _OF_ANOTHERS_NETWORK),
        *(f"run --rm --network container:c1 {option} {{image}} true" for option in ("--domainname a", "--uts host")),
        "?run --rm --network container: {image} true",
        "?run --rm --network container:nothing {image} true",
        "?run --rm --network '' {image} true",
        "?run --rm --network alias=a {image} true",
        "?run --rm --network none --network none {image} true",
        "?run --rm --network host --network none {image} true",
        *(f"?run --rm --network {name},alias=a {{image}} true" for name in ("name=none", "name=host", "name=bridge")),
        "?run --rm --network name=none,nothing=a {image} true",
        "run --rm --net host {image} true",
    ),
    "--platform": (
        "run --rm --platform linux/amd64 {image} echo here",
        "?run --rm --platform linux/s390x {image} true",
    ),
    "--pull": (
        "run --rm --pull always {image} echo fresh",
        "?run --rm --pull never 127.0.0.1:1/none true",
        "?run --rm --pull perhaps {image} true",
    ),
    "--quiet": ("run --rm -q {image} echo quiet",),
    "--disable-content-trust": ("run --rm --disable-content-trust {image} echo here",),
    "--mount": (
        "run --rm --mount type=bind,src={files},dst=/data,ro {image} sh -c 'cat /data/labels; echo x > /data/new'",
        "run --rm --mount type=tmpfs,dst=/memory,tmpfs-size=65536 {image} sh -c 'echo x > /memory/y; cat /memory/y'",
        "run --rm --mount type=volume,src=c1,dst=/data {image} sh -c 'echo kept > /data/file'",
        "run --rm --mount type=volume,src=c1,dst=/data {image} cat /data/file",
        "volume rm c1",
        "?run --rm --mount type=bind,src=/nothing/here,dst=/data {image} true",
        "?run --rm --mount type=nothing,dst=/data {image} true",
        "run --rm --mount type=volume,src=c1,dst=/data,volume-driver=local,volume-opt=type=none,volume-opt=o=bind,volume-opt=device={files},volume-label=a=b {image} cat /data/labels",
        "volume inspect -f '{{.Options.device}} {{.Labels}}' c1",
        "volume rm c1",
        "?run --rm --mount type=volume,dst=/data,volume-driver=nothing {image} true",
        "?run --rm --mount type=volume,dst=/data,volume-opt=nothing=x {image} true",
        "?run --rm --mount type=bind,src={files},dst=/data,volume-opt=type=none {image} true",
    ),
    "--user": (
        "run --rm -u user {image} id",
        "run --rm -u 7:8 {image} id",
        "run --rm -u 1000:0 {image} id -u",
        "?run --rm -u nobody-here {image} true",
    ),
    "--group-add": ("run --rm --group-add 7 -u user {image} id -G", "?run --rm --group-add nothing {image} true"),
    "--init": ("run --rm --init {image} sh -c 'test $$ != 1; echo $?'", "run --rm --init {image} sh -c 'exit 7'"),
    "--hostname": (
        "run --rm -h web {image} sh -c 'cat /etc/hostname /proc/sys/kernel/hostname'",
        "run --rm -h web.example {image} sh -c 'echo $HOSTNAME; cat /etc/hostname /proc/sys/kernel/hostname'",
    ),
    "--domainname": (
        "run --rm -h web --domainname example.org {image} cat /proc/sys/kernel/domainname",
        "run --rm -h web --domainname example.org {image} sh -c 'echo $HOSTNAME; cat /etc/hostname'",
    ),
    "--add-host": (
        "run --rm --add-host db:10.0.0.1 --add-host six:::1 {image} sh -c 'while read a b; do case $b in db|six) echo $a $b;; esac; done < /etc/hosts'",
        "?run --rm --add-host db {image} true",
    ),
    "--dns": (
        "run --rm --dns 10.0.0.53 --dns 10.0.0.54 {image} cat /etc/resolv.conf",
        "?run --rm --dns x {image} true",
    ),
    "--dns-search": (
        "run --rm --dns-search example.org {image} sh -c 'while read a b; do case $a in search) echo $b;; esac; done < /etc/resolv.conf'",
    ),
    "--dns-option": (
        "run --rm --dns 10.0.0.53 --dns-option ndots:2 {image} cat /etc/resolv.conf",
        "run --rm --dns 10.0.0.53 --dns-opt ndots:2 {image} cat /etc/resolv.conf",
    ),
    "--privileged": _PRIVILEGED,
    "--cap-add": (
        "run --rm --cap-add NET_ADMIN {image} " + _status("Cap*"),
        "?run --rm --cap-add NOTHING {image} true",
    ),
    "--cap-drop": (
        "run --rm --cap-drop all {image} " + _status("Cap*"),
        "run --rm --cap-drop CAP_CHOWN {image} " + _status("Cap*"),
    ),
    "--security-opt": (
        "run --rm --security-opt no-new-privileges {image} " + _status("NoNew*"),
        "run --rm --security-opt seccomp=unconfined {image} " + _status("Secc*"),
        "?run --rm --security-opt nothing=x {image} true",
    ),
    "--device": ("run --rm --device /dev/fuse:/dev/mine:r {image} ls /dev/mine",),
    "--device-cgroup-rule": (
        "create --name c1 --device-cgroup-rule 'c 42:* rmw' --device-cgroup-rule 'b *:7 r' {image} true",
        "inspect -f HostConfig.DeviceCgroupRules c1",
        *(
            f"?create --device-cgroup-rule '{rule}' {{image}} true"
            for rule in ("c 42", "x 1:1 r", "c 1:x r", "c 1:1 q")
        ),
    ),
    "--gpus": ("?run --rm --gpus all {image} true",),
    "--annotation": "docker 20.10 does not know it; tests/runtime/test_isolation_options.py",
    "--storage-opt": ("?run --rm --storage-opt size=1g {image} true",),
    "--blkio-weight-device": tuple(
        f"?create --blkio-weight-device {text} {{image}} true" for text in ("vda:100", "/dev/vda:5", "/dev/vda:x")
    ),
    **{
        f"--device-{what}": (
            f"create --name c1 --device-{what} /dev/vda:10 {{image}} true",
            f"inspect -f HostConfig.BlkioDevice{key} c1",
            f"?create --device-{what} vda:10 {{image}} true",
            f"?create --device-{what} /dev/vda:much {{image}} true",
        )
        for what, key in (
            ("read-bps", "ReadBps"),
            ("read-iops", "ReadIOps"),
            ("write-bps", "WriteBps"),
            ("write-iops", "WriteIOps"),
        )
    },
    "--read-only": ("run --rm --read-only {image} sh -c 'echo x > /file; echo $?'",),
    "--tmpfs": ("run --rm --tmpfs /memory:size=64k {image} sh -c 'echo x > /memory/y; cat /memory/y'",),
    "--shm-size": (
        "run --rm --shm-size 1m {image} sh -c 'while read a b c d; do case $b in /dev/shm) echo $d;; esac; done < /proc/mounts'",
        "?run --rm --shm-size much {image} true",
    ),
    "--ulimit": (
        "run --rm --ulimit nofile=100:200 {image} sh -c 'ulimit -Sn; ulimit -Hn'",
        "?run --rm --ulimit nothing=1 {image} true",
    ),
    "--oom-score-adj": ("run --rm --oom-score-adj 500 {image} cat /proc/self/oom_score_adj",),
    "--sysctl": (
        "run --rm --sysctl net.ipv4.ip_forward=1 {image} cat /proc/sys/net/ipv4/ip_forward",
        "?run --rm --sysctl kernel.panic=1 {image} true",
        "?run --rm --network host --sysctl net.core.somaxconn=1 {image} true",
        "?run --rm --ipc host --sysctl kernel.msgmax=1 {image} true",
        "?run --rm --uts host --sysctl kernel.domainname=a {image} true",
    ),
    "--pid": (
        "run --rm --pid host {image} sh -c 'test $$ != 1; echo $?'",
        "?run --rm --pid nothing {image} true",
        "?run --rm --pid container: {image} true",
        "?run --rm --pid container:nothing {image} true",
        "run -d --name c1 {image} sleep 1000",
        "run --rm --pid container:c1 {image} busybox cat /proc/1/comm",
        "kill c1",
        "run --rm --pid container:c1 {image} true",
    ),
    "--ipc": (
        "run --rm --ipc none {image} sh -c 'test -e /dev/shm; echo $?'",
        "?run --rm --ipc nothing {image} true",
        "run -d --name c1 --ipc shareable {image} sh -c 'echo kept > /dev/shm/file; echo ready; sleep 1000'",
        "@ready c1",
        "run --rm --ipc container:c1 {image} cat /dev/shm/file",
        "run -d --name c2 {image} sleep 1000",
        "run --rm --ipc container:c2 {image} true",
    ),
    "--uts": (
        "?run --rm --uts host {image} true",
        "?run --rm --uts nothing {image} true",
        "?run --rm --uts host --hostname a {image} true",
        "?run --rm --uts host --domainname a {image} true",
    ),
    "--cgroup-parent": (
        "create --name c1 --cgroup-parent /preg-or-docker {image} true",
        "inspect -f HostConfig.CgroupParent c1",
    ),
    "--cgroupns": ("?run --rm --cgroupns host {image} true", "?run --rm --cgroupns nothing {image} true"),
    "--userns": ("?run --rm --userns host {image} true", "?run --rm --userns nothing {image} true"),
    "--memory": (
        "run --rm -m 32m {image} sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; :'",
        "?run --rm -m 1k {image} true",
        "?run --rm -m much {image} true",
    ),
    "--memory-swap": (
        "create --name c1 -m 32m --memory-swap 64m {image} true",
        "inspect -f HostConfig.Memory,HostConfig.MemorySwap c1",
        "?run --rm -m 32m --memory-swap 16m {image} true",
        "?run --rm --memory-swap 64m {image} true",
    ),
    "--memory-reservation": (
        "create --name c1 --memory-reservation 32m {image} true",
        "inspect -f HostConfig.MemoryReservation c1",
        "?run --rm -m 32m --memory-reservation 64m {image} true",
    ),
    "--memory-swappiness": (
        "run --rm --memory-swappiness 10 {image} sh -c 'cat /sys/fs/cgroup/memory/memory.swappiness 2>/dev/null; :'",
        "?run --rm --memory-swappiness 101 {image} true",
    ),
    "--oom-kill-disable": ("?run --rm --oom-kill-disable -m 32m {image} true",),
    "--cpus": (
        "run --rm --cpus 0.5 {image} sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; :'",
        "?run --rm --cpus 10000 {image} true",
        "?run --rm --cpus 1 --cpu-period 50000 {image} true",
        "?run --rm --cpus 1 --cpu-quota 50000 {image} true",
    ),
    "--cpu-shares": ("run --rm -c 512 {image} sh -c 'cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null; :'",),
    "--cpu-period": (
        "run --rm --cpu-period 50000 {image} sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null; :'",
        "?run --rm --cpu-period 1 {image} true",
    ),
    "--cpu-quota": (
        "run --rm --cpu-quota 20000 {image} sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null; :'",
        "?run --rm --cpu-quota 1 {image} true",
    ),
    "--cpuset-cpus": (
        "run --rm --cpuset-cpus 0 {image} " + _status("Cpus_allowed_list:"),
        "?run --rm --cpuset-cpus 10000 {image} true",
    ),
    "--cpuset-mems": ("?run --rm --cpuset-mems 0 {image} true", "?run --rm --cpuset-mems 10000 {image} true"),
    "--pids-limit": (
        "run --rm --pids-limit 50 {image} sh -c 'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; :'",
    ),
    "--blkio-weight": ON_THE_PAGE,
    "--env-file": (
        "run --rm --env-file {files}/env {image} sh -c 'echo $A,$B,$C'",
        "?run --rm --env-file {files}/nothing {image} true",
    ),
    "--network-alias": _on_no_network("--network-alias a"),
    "--ip": _on_no_network("--ip 10.0.0.9"),
    "--ip6": ON_THE_PAGE,
    "--mac-address": _NETWORKS,
    "--link": (
        "run -d --name c1 {image} sleep 1000",
        "?run --rm --network host --link c1 {image} true",
        "?run --rm --network container:c1 --link c1 {image} true",
        "run --rm --network none --link c1:a {image} true",
        "?run --rm --network none --link nothing:a {image} true",
    ),
    "--publish": (
        "run --rm --network host -p 80 {image} true",
        "create --network none -p 8080:80 -p 127.0.0.1:0:81/udp -p 90-91:90-91 --name c1 {image} true",
        "inspect -f Config.ExposedPorts c1",
        "?run --rm -p 8080-8081:80-82 {image} true",
        "?run --rm -p 99999:80 {image} true",
    ),
    "--publish-all": ("run --rm --network host -P {image} true", "run --rm --network none -P {image} true"),
    "--expose": (
        "create --network none --expose 80 --expose 90-91/udp -p 80 --name c1 {image} true",
        "inspect -f Config.ExposedPorts c1",
    ),
    "--health-cmd": (
        "create --name c1 --health-cmd 'test -e /x' {image} true",
        "inspect -f Config.Healthcheck.Test c1",
        "create --name c2 --health-cmd '' {image} true",
    ),
    "--health-interval": (
        "create --name c1 --health-cmd true --health-interval 2s {image} true",
        "inspect -f Config.Healthcheck.Interval c1",
    ),
    "--health-timeout": (
        "create --name c1 --health-cmd true --health-timeout 2s {image} true",
        "inspect -f Config.Healthcheck.Timeout c1",
    ),
    "--health-retries": (
        "create --name c1 --health-cmd true --health-retries 2 {image} true",
        "inspect -f Config.Healthcheck.Retries c1",
    ),
    "--health-start-period": (
        "create --name c1 --health-cmd true --health-start-period 2s {image} true",
        "inspect -f Config.Healthcheck.StartPeriod c1",
    ),
    "--health-start-interval": "docker's engine here is older; tests/runtime/test_health.py looks",
    "--no-healthcheck": (
        "create --name c1 --no-healthcheck {image} true",
        "inspect -f Config.Healthcheck.Test c1",
        "?create --name c2 --no-healthcheck --health-cmd true {image} true",
    ),
    "--log-driver": (
        "run --name c1 --log-driver none {image} echo one",
        "?run --rm --log-driver nothing {image} true",
        "?run --rm --log-driver none --log-opt max-size=1m {image} true",
    ),
    "--log-opt": ("run --name c1 --log-opt max-size=1m {image} echo one", "logs c1"),
    "--runtime": ON_THE_PAGE,
    "--plain-http": ON_THE_PAGE,
    "--tls-verify": ON_THE_PAGE,
}

ROWS: Final[dict[str, Rows]] = {
    "run": {
        "": (
            "run --rm {image}",
            "run --rm {image} sh -c 'echo out; exit 42'",
            "run --rm {image} no-such-command",
            "run --rm {image} /text",
            "run --rm {image} sh -c 'kill -9 $$'",
            "run --nonsense {image}",
        ),
        "--detach": (
            "run -d --name c1 {image} sh -c 'echo out; exit 4'",
            "wait c1",
            "logs c1",
            "inspect -f State.Status,State.ExitCode,State.Running,Path,Args c1",
        ),
        "--name": (
            "run --name c1 {image} true",
            "?run --name c1 {image} true",
            "?run --name -c {image} true",
            "run --name /c2 {image} true",
            "inspect -f Name /c2",
            "run --rm --name '' {image} true",
            "ps -a --format Names",
        ),
        "--rm": ("run --rm --name c1 {image} false", "ps -a --format Names", "?run --rm --restart always {image} true"),
        "--restart": (
            "run -d --name c1 --restart on-failure:2 {image} sleep 1000",
            "inspect -f HostConfig.RestartPolicy c1",
            "?run --restart never {image} true",
            "?run --restart always:2 {image} true",
            "?run --restart no:2 {image} true",
            "?run --rm --restart on-failure:2 {image} true",
        ),
        "--stop-signal": (
            "?run --rm --stop-signal SIGRTMIN+31 {image} true",
            f"run -d --name c1 --stop-signal USR1 {{image}} {_TRAP}",
            "@ready c1",
            "stop c1",
            "wait c1",
            "logs c1",
            "?run --stop-signal NOTHING {image} true",
        ),
        "--attach": (
            "run --rm -a stdout {image} sh -c 'echo out; echo err >&2'",
            "run --rm -i -a stdout {image} cat <<< typed",
            "run --name c1 -a stderr {image} true",
            "run -d --name c2 {image} true",
            *(f"inspect -f {_ATTACHED} {name}" for name in ("c1", "c2")),
        ),
        "--detach-keys": _KEYS,
        "--sig-proxy": "tests/runtime/test_containers.py sends signals, which a table does not",
        **_CONTAINER,
    },
    "create": {
        **dict.fromkeys(_CONTAINER, "as with run, which reads the same options by the same code"),
        "": ("create --name c1 {image} echo made", "ps -a --format Names,State", "start -a c1", "?create {image}/none"),
        "--name": ("create --name c1 {image} true", "?create --name c1 {image} true", "?create --name / {image} true"),
        "--rm": ("create --rm --name c1 {image} echo once", "start -a c1", "ps -a --format Names"),
        "--attach": (
            "create --name c1 -i {image} true",
            "create --name c2 -i -a stdout {image} true",
            *(f"inspect -f {_ATTACHED} {name}" for name in ("c1", "c2")),
            "?create -a nothing {image} true",
        ),
        "--restart": (
            "create --name c1 --restart unless-stopped {image} true",
            "inspect -f HostConfig.RestartPolicy c1",
            "?create --restart never {image} true",
        ),
        "--stop-signal": (
            f"create --name c1 --stop-signal SIGUSR1 {{image}} {_TRAP}",
            "start c1",
            "@ready c1",
            "stop c1",
            "inspect -f State.ExitCode c1",
        ),
    },
    "start": {
        "": (
            "create --name c1 {image} sh -c 'exit 5'",
            "start c1",
            "wait c1",
            "start c1",
            "wait c1",
            "start c1 nothing",
        ),
        "--attach": ("create --name c1 {image} sh -c 'echo out; exit 5'", "start -a c1", "start --attach c1"),
        "--interactive": ("create -i --name c1 {image} cat", "start -ai c1 <<< typed"),
        "--detach-keys": _KEYS,
        "--sig-proxy": "as with run",
    },
    "stop": {
        "": (
            f"run -d --name c1 {{image}} {_TRAP}",
            "@ready c1",
            "stop c1",
            "wait c1",
            "logs c1",
            "stop c1",
            "stop nothing",
        ),
        "--timeout": (
            "run -d --name c1 {image} sleep 1000",
            "stop --timeout 0 c1",
            "inspect -f State.ExitCode,State.Status c1",
            "?stop -t soon c1",
        ),
        "--time": (
            "run -d --name c1 {image} sleep 1000",
            "?stop --time 0 c1",
            "inspect -f State.ExitCode,State.Status c1",
        ),
        "--signal": (
            f"run -d --name c1 {{image}} {_TRAP}",
            "@ready c1",
            "stop --signal USR1 c1",
            "wait c1",
            "logs c1",
        ),
    },
    "kill": {
        "": ("run -d --name c1 {image} sleep 1000", "kill c1", "wait c1", "kill c1", "kill nothing"),
        "--signal": (
            f"run -d --name c1 {{image}} {_TRAP}",
            "@ready c1",
            "kill -s USR1 c1",
            "wait c1",
            "logs c1",
            "kill -s NOTHING c1",
            "kill -s SIGRTMIN+99 c1",
        ),
    },
    "wait": {"": ("run -d --name c1 {image} sh -c 'exit 6'", "wait c1", "wait c1 c1", "wait nothing")},
    "rm": {
        "": (
            "create --name c1 {image} true",
            "run -d --name c2 {image} sleep 1000",
            "rm c1",
            "rm c1",
            "rm c2",
            "ps -a --format Names",
        ),
        "--force": ("run -d --name c1 {image} sleep 1000", "rm -f c1", "ps -aq", "rm -f c1"),
        "--volumes": ("create --name c1 -v /data {image} true", "rm -v c1", "volume ls -q"),
    },
    "exec": {
        "": (
            "run -d --name c1 {image} sleep 1000",
            "exec c1 sh -c 'echo out; exit 7'",
            "exec nothing true",
        ),
        "--detach": ("run -d --name c1 {image} sleep 1000", "exec -d c1 true"),
        "--detach-keys": _KEYS,
        "--interactive": ("run -d --name c1 {image} sleep 1000", "exec -i c1 cat <<< typed"),
        "--tty": ("run -d --name c1 {image} sleep 1000", "exec -t c1 sh -c 'test -t 1 && echo terminal'"),
        "--env": ("run -d --name c1 -e A=1 {image} sleep 1000", "exec -e A=2 -e B=3 c1 sh -c 'echo $A $B'"),
        "--env-file": ("run -d --name c1 {image} sleep 1000", "exec --env-file {files}/env c1 sh -c 'echo $A,$B,$C'"),
        "--user": ("run -d --name c1 {image} sleep 1000", "exec -u user c1 id", "?exec -u nobody-here c1 id"),
        "--workdir": ("run -d --name c1 {image} sleep 1000", "exec -w /tmp c1 sh -c pwd"),
        "--privileged": _PRIVILEGED,
    },
    "attach": {
        "": ("create -i --name c1 {image} cat", "?attach c1", "start c1", "attach c1 <<< typed", "?attach nothing"),
        "--detach-keys": _KEYS,
        "--no-stdin": ("run -d --name c1 {image} sh -c 'sleep 5; exit 3'", "attach --no-stdin c1"),
        "--sig-proxy": "as with run",
    },
    "restart": {
        "": (
            f"run -d --name c1 {{image}} {_TRAP}",
            "@ready c1",
            "restart c1",
            "inspect -f State.Running c1",
            "restart x1",
        ),
        "--timeout": ("run -d --name c1 {image} sleep 1000", "restart -t 0 c1", "inspect -f State.Running c1"),
        "--time": ("run -d --name c1 {image} sleep 1000", "?restart --time 0 c1", "inspect -f State.Running c1"),
        "--signal": (
            f"run -d --name c1 {{image}} {_TRAP}",
            "@ready c1",
            "restart --signal USR1 c1",
            "inspect -f State.Running c1",
            "@ready c1",
            "logs c1",
        ),
    },
    "pause": {
        "": (
            "run -d --name c1 {image} sleep 1000",
            "pause c1",
            "inspect -f State.Status,State.Paused c1",
            "?pause c1",
            "ps --format Names,State",
            "pause nothing",
        )
    },
    "unpause": {
        "": ("run -d --name c1 {image} sleep 1000", "pause c1", "unpause c1", "?unpause c1", "unpause nothing")
    },
    "update": {
        "": (
            "create --name c1 {image} true",
            "?update c1",
            "?update --restart always",
            "update --restart always nothing",
            "update --cpu-shares 512 c1 nothing",
        ),
        "--restart": (
            "run -d --name c1 {image} sleep 1000",
            "update --restart on-failure:3 c1",
            "inspect -f HostConfig.RestartPolicy c1",
            "?update --restart never c1",
            "create --rm --name c2 {image} true",
            "?update --restart always c2",
        ),
        "--memory": (
            "run -d --name c1 -m 32m {image} sleep 1000",
            "update -m 48m c1",
            "exec c1 sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; :'",
            "inspect -f HostConfig.Memory,HostConfig.MemorySwap c1",
            "?update -m 128m c1",
            "inspect -f HostConfig.Memory,HostConfig.MemorySwap c1",
            "?update -m 1k c1",
        ),
        "--memory-swap": (
            "run -d --name c1 -m 32m {image} sleep 1000",
            "update -m 128m --memory-swap 256m c1",
            "exec c1 sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; :'",
            "inspect -f HostConfig.Memory,HostConfig.MemorySwap c1",
            "update --memory-swap -1 c1",
            "inspect -f HostConfig.Memory,HostConfig.MemorySwap c1",
        ),
        "--memory-reservation": (
            "run -d --name c1 {image} sleep 1000",
            "update --memory-reservation 32m c1",
            "exec c1 sh -c 'cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes /sys/fs/cgroup/memory.low 2>/dev/null; :'",
            "inspect -f HostConfig.MemoryReservation c1",
        ),
        "--cpus": (
            "run -d --name c1 {image} sleep 1000",
            "update --cpus 0.5 c1",
            f"exec c1 {_QUOTA}",
            "inspect -f HostConfig.NanoCpus c1",
            "?update --cpu-quota 20000 c1",
            "?update --cpus 10000 c1",
            "restart -t 0 c1",
            f"exec c1 {_QUOTA}",
        ),
        "--cpu-shares": (
            "run -d --name c1 {image} sleep 1000",
            "update -c 512 c1",
            "exec c1 sh -c 'cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null; :'",
            "inspect -f HostConfig.CpuShares c1",
        ),
        "--cpu-period": (
            "run -d --name c1 {image} sleep 1000",
            "update --cpu-period 50000 c1",
            "exec c1 sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null; :'",
            "?update --cpus 1 c1",
        ),
        "--cpu-quota": ("run -d --name c1 {image} sleep 1000", "update --cpu-quota 20000 c1", f"exec c1 {_QUOTA}"),
        "--cpuset-cpus": (
            "run -d --name c1 {image} sleep 1000",
            "update --cpuset-cpus 0 c1",
            "exec c1 " + _status("Cpus_allowed_list:"),
            "?update --cpuset-cpus 10000 c1",
            "inspect -f HostConfig.CpusetCpus c1",
        ),
        "--cpuset-mems": ("run -d --name c1 {image} sleep 1000", "update --cpuset-mems 0 c1"),
        "--pids-limit": (
            "run -d --name c1 {image} sleep 1000",
            "update --pids-limit 50 c1",
            f"exec c1 {_PIDS}",
            "inspect -f HostConfig.PidsLimit c1",
            "update --pids-limit -1 c1",
            f"exec c1 {_PIDS}",
        ),
        "--blkio-weight": "as with run",
    },
    "rename": {
        "": (
            "create --name c1 {image} true",
            "rename c1 c2",
            "ps -a --format Names",
            "rename /c2 /c1",
            "ps -a --format Names",
            "rename c1 c2",
            "?rename c2 c2",
            "?rename nothing c1",
        )
    },
    "port": {"": _NETWORKS},
    "top": {"": ("run -d --name c1 {image} sleep 1000", "?top c1", "?top nothing")},
    "stats": {
        "": ("run -d --name c1 {image} sleep 1000", "?stats --no-stream c1", "?stats --no-stream nothing"),
        "--all": ("create --name c1 {image} true", "stats -a --no-stream --format Name"),
        "--no-stream": ("run -d --name c1 {image} sleep 1000", "stats --no-stream --format Name c1"),
        "--no-trunc": ("run -d --name c1 {image} sleep 1000", "?stats --no-trunc --no-stream c1"),
        "--format": (
            "run -d --name c1 {image} sleep 1000",
            "stats --no-stream --format Name,PIDs c1",
            "stats --no-stream --format '{{.Name}} {{.PIDs}}' c1",
            "stats --no-stream --format 'table {{.Name}}\\t{{.PIDs}}' c1",
        ),
    },
    "events": dict.fromkeys(
        ("", "--since", "--until", "--filter", "--format"),
        "tests/runtime/test_events.py looks at each; two engines that are asked at once tell of different moments",
    ),
    "cp": {
        "": (
            "create --name c1 {image} cat /labels",
            "cp {files}/labels c1:/labels",
            "start -a c1",
            "cp c1:/text {own}/text",
            "?cp c1:/nothing {own}/nothing",
            "?cp {files}/nothing c1:/",
            "?cp nothing:/text {own}/text",
            "?cp {files}/labels {own}/labels",
        ),
        "--archive": ("create --name c1 {image} true", "cp -a {files} c1:/copied"),
        "--follow-link": ("create --name c1 {image} true", "?cp -L c1:/bin/sh {own}/sh"),
        "--quiet": ("create --name c1 {image} true", "cp -q {files}/labels c1:/labels"),
    },
    "diff": {
        "": (
            "run --name c1 {image} sh -c 'mkdir /new; echo x > /new/file; echo y > /text'",
            "?diff c1",
            "diff nothing",
        )
    },
    "container prune": {
        "": ("create --name c1 {image} true", "run -d --name c2 {image} sleep 1000", "container prune -f", "ps -q"),
        "--filter": (
            "create --name c1 --label a=b {image} true",
            "container prune -f --filter label!=a",
            "container prune -f --filter until=24h",
            "container prune -f --filter label=a=b",
            "?container prune -f --filter nothing=x",
        ),
        "--force": ("create --name c1 {image} true", "container prune --force"),
    },
    "ps": {
        "": ("run -d --name c1 {image} sleep 1000", "create --name c2 {image} true", "ps"),
        "--all": ("run --name c1 {image} sh -c 'exit 3'", "create --name c2 {image} true", "ps -a"),
        "--quiet": ("run -d --name c1 {image} sleep 1000", "ps -q", "ps -q --no-trunc"),
        "--last": (
            "create --name c1 {image} true",
            "create --name c2 {image} true",
            "ps -n 1 --format Names",
            "?ps -n x",
        ),
        "--latest": ("create --name c1 {image} true", "create --name c2 {image} true", "ps -l --format Names"),
        "--no-trunc": ("create --name c1 {image} echo one two three four five", "ps -a --no-trunc", "ps -a"),
        "--size": "tests/runtime/test_prune.py; docker counts what it makes for a container itself, e.g. /etc/hosts",
        "--filter": (
            "create --name c1 --label a=b {image} true",
            "run --name c2 {image} false",
            "ps -a --format Names -f name=c1",
            "ps -a --format Names -f name=^c1$ -f name=^/c2$",
            "ps -a --format Names -f name=^c$",
            "ps -a --format Names -f network=none",
            "ps -aq -f id=",
            "ps -a --format Names -f label=a=b -f label=c",
            "ps -a --format Names -f label=a",
            "ps -a --format Names -f label=a=c",
            "ps --format Names -f status=created",
            "ps --format Names -f exited=1",
            "ps --format Names -f exited=2",
            "ps -a --format Names -f ancestor={image}",
            "ps -a --format Names -f before=c2",
            "ps -a --format Names -f since=c1",
            "ps -a --format Names -f volume=/data",
            "?ps -f since=nothing",
            "?ps -f nothing=x",
        ),
        "--format": (
            "run --name c1 {image} sh -c 'exit 3'",
            "ps -a --format Names,Image,Command,State,Labels,Ports,Networks",
            "ps -a --format Status",
            "ps -a --format '{{.Names}} {{.ID}} {{.Image}} {{.Command}} {{.State}} {{.Status}} {{.CreatedAt}} {{.RunningFor}}'",
            "create --name c2 --label 'a.b-c=<f>' -v c2:/data {image} echo '<&>'",
            "ps -a --filter name=c2 --format 'table {{.Names}}\\t{{.Label \"a.b-c\"}}\\t{{upper .State}}|{{.CreatedAt}}\\t{{.LocalVolumes}}'",
            'ps -a --format \'{{range split .Names ","}}{{title .}} {{end}}{{with .Label "a.b-c"}}{{.}}{{else}}none{{end}} {{printf "%q" .Mounts}}\'',
            "ps -a --filter name=c2 --format '{{json .Names}} {{json .Mounts}} {{json .Networks}}'",
            "ps -a --format '{{.Nothing}}'",
            "ps -a --format '{{.Names'",
            "volume rm -f c2",
        ),
    },
    "logs": {
        "": ("run --name c1 {image} sh -c 'echo one; echo err >&2; echo two'", "logs c1", "logs nothing"),
        "--follow": ("run -d --name c1 {image} sh -c 'echo one; sleep 0.2; echo two'", "logs -f c1"),
        "--tail": (
            "run --name c1 {image} sh -c 'echo one; echo two; echo three'",
            "logs --tail 2 c1",
            "logs -n 0 c1",
            "logs --tail all c1",
            "logs --tail -1 c1",
        ),
        "--since": ("run --name c1 {image} echo one", "logs --since 1h c1", "logs --since 2100-01-01T00:00:00Z c1"),
        "--until": ("run --name c1 {image} echo one", "logs --until 1h c1", "logs --until 2100-01-01T00:00:00Z c1"),
        "--timestamps": ("run --name c1 {image} echo one", "logs -t c1"),
        "--details": (
            "run --name c1 --label b=1 --label 'a=x y' -e C=3 --log-opt labels=a,b,none --log-opt env=C,PATH {image} echo one",
            "logs --details c1",
            "inspect -f '{{.HostConfig.LogConfig.Config.labels}} {{.HostConfig.LogConfig.Config.env}}' c1",
            "run --name c2 {image} sh -c 'echo one; echo two'",
            "logs --details c2",
        ),
    },
    "inspect": {
        "": ("create --name c1 {image} true", "?inspect c1", "inspect nothing"),
        "--format": (
            "create --name c1 -e A=b -w /tmp --label x=y {image} echo word",
            "inspect -f Name,Path,Args,Image,State.Status,State.ExitCode,RestartCount c1",
            "inspect -f Config.Image,Config.Labels,Config.Tty,Config.OpenStdin c1",
            "inspect -f Config.Env,Config.Cmd,Config.Entrypoint,Config.WorkingDir,Config.Volumes c1",
            "create --name c2 --entrypoint sh -v {files}:/a:ro -v /b {image}",
            "inspect -f Config.Cmd,Config.Entrypoint,Config.Volumes,HostConfig.Binds c2",
            "inspect -f HostConfig.AutoRemove,HostConfig.NetworkMode c1",
            "inspect -f '{{.State.Status}} {{.Name}} {{.Config.Labels}} {{json .Config.Labels}} {{index .Config.Labels \"x\"}}' c1",
            "inspect -f '{{range .Config.Env}}{{println .}}{{end}}{{len .Args}} {{join .Args \",\"}} {{.HostConfig.CapAdd}}' c1",
            "inspect -f '{{json .HostConfig.CapAdd}} {{json .State.Running}} {{.HostConfig.PidsLimit}} {{.Config.Volumes}}' c1",
            "inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' c1",
            "inspect -f '{{.ID}} {{.HostConfig.CPUShares}} {{.HostConfig.DNS}}' c1",
            "inspect -f '{{.Id}} {{.HostConfig.CpuShares}} {{.HostConfig.Dns}}' c1",
            "?inspect -f '{{.Id}} {{.Config.Nothing}}' c1",
            "inspect -f '{{range $name, $network := .NetworkSettings.Networks}}{{$name}}{{$network.IPAddress}}{{end}}' c1",
            "inspect -f '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}} {{.Propagation}};{{end}}{{len .Mounts}}' c1",
            "inspect -f '{{.Config.Labels.x}} {{.Config.Labels.y}} {{.RestartCount}} {{printf \"%T\" .RestartCount}}' c1",
            "?inspect -f '{{.State.Health.Status}}' c1",
            "?inspect -f '{{.Nothing}}' c1",
            "inspect -f '{{.Name' c1",
        ),
        "--type": (
            "create --name c1 -v c2:/data {image} true",
            "?inspect --type image c1",
            "?inspect --type container c1",
            "?inspect --type network c1",
            "inspect --type volume -f '{{.Name}} {{.Driver}}' c2",
            "container inspect -f '{{.Name}}' c1",
            "?container inspect c2",
            "?image inspect c1",
            "rm c1",
            "volume rm c2",
        ),
        "--size": (
            "create --name c1 {image} true",
            "cp {files}/labels c1:/labels",
            "inspect -s -f '{{.SizeRw}}' c1",
            "inspect -f '{{.SizeRw}}' c1",
        ),
    },
    "images": {
        "": ("images --format Repository,Tag,ID",),
        "--all": ("images -a --format Repository,Tag,ID",),
        "--quiet": ("images -q", "images -q --no-trunc"),
        "--digests": ("?images --digests",),
        "--no-trunc": ("images --no-trunc --format Repository,Tag,ID",),
        "--filter": (
            "images --filter reference={image} --format Repository,Tag",
            "images --filter reference=nothing/* --format Repository,Tag",
            "images --filter dangling=true -q",
            "images --filter reference={image} --filter reference=nothing --format Repository,Tag",
            "?images --filter nothing=x",
        ),
        "--format": (
            "images --format Repository,Tag,ID,CreatedAt",
            "images --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.CreatedAt}} {{.CreatedSince}} {{.Digest}} {{.Containers}}'",
            "images --format 'table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.SharedSize}}'",
            "images --format '{{.Nothing}}'",
        ),
    },
    "tag": {"": ("tag {image} other/name:2", "images -q other/name", "rmi other/name:2", "?tag nothing other:1")},
    "rmi": {
        "": ("tag {image} other/name:2", "rmi other/name:2", "?rmi other/name:2", "images --format Repository,Tag"),
        "--force": ("tag {image} other/name:2", "rmi -f other/name:2", "?rmi -f other/name:2"),
        "--no-prune": ("tag {image} other/name:2", "rmi --no-prune other/name:2"),
        "--platform": _NEWER_DOCKER,
    },
    "pull": {
        "": ("?pull {image}", "?pull {image}-none", "?pull UPPER"),
        "--quiet": ("pull -q {image}",),
        "--all-tags": ("?pull -a {repository}", "?pull -a {image}"),
        "--platform": ("?pull --platform linux/amd64 {image}", "?pull --platform linux {image}-none"),
        "--disable-content-trust": ("pull -q --disable-content-trust=true {image}",),
        "--plain-http": ON_THE_PAGE,
        "--tls-verify": ON_THE_PAGE,
    },
    "push": {
        "": ("?push {image}", "?push nothing:1"),
        "--all-tags": ("?push -a {repository}", "?push -a {image}"),
        "--platform": _NEWER_DOCKER,
        "--quiet": ("push -q {image}", "?push -q nothing:1"),
        "--disable-content-trust": ("push -q --disable-content-trust {image}",),
        "--plain-http": ON_THE_PAGE,
        "--tls-verify": ON_THE_PAGE,
    },
    "manifest inspect": {
        "": ("?manifest inspect --insecure {image}", "?manifest inspect --insecure {image}-none", "?manifest inspect"),
        "--verbose": "tests/runtime/test_manifest_inspect.py has docker inspect the same manifests",
        "--insecure": ("manifest inspect --insecure {image}",),
        "--plain-http": "docker has --insecure, which preg takes as well",
        "--tls-verify": "docker has --insecure, which preg takes as well",
    },
    "history": {
        "": ("?history {image}", "?history nothing"),
        "--human": ON_THE_PAGE,
        "--no-trunc": ("history --no-trunc --format CreatedBy {image}",),
        "--quiet": ("?history -q {image}",),
        "--platform": _NEWER_DOCKER,
        "--format": (
            "history --format CreatedBy,Comment {image}",
            "history --format '{{.CreatedBy}} {{.CreatedSince}} {{.Comment}}' {image}",
        ),
    },
    "save": {
        "": ("?save -o {own}/image.tar {image}", "?save -o {own}/none.tar nothing:1"),
        "--output": ("?save --output {own}/image.tar {image}",),
        "--platform": _NEWER_DOCKER,
        "--format": "docker writes one format only; tests/runtime/test_save_load.py has docker and podman read both",
    },
    "load": {
        "": ("?save -o {own}/image.tar {image}", "load -i {own}/image.tar", "?load -i {own}/nothing.tar"),
        "--input": ("?save -o {own}/image.tar {image}", "load --input {own}/image.tar"),
        "--platform": "docker 20.10 does not know it",
        "--quiet": ("?save -o {own}/image.tar {image}", "load -q -i {own}/image.tar"),
    },
    "network create": dict.fromkeys(
        (
            *("", "--subnet", "--gateway", "--ip-range", "--aux-address", "--internal", "--opt", "--attachable"),
            *("--ipv4", "--ipv6", "--label", "--driver", "--ipam-driver"),
        ),
        _NETWORKS,
    ),
    "network ls": dict.fromkeys(("", "--quiet", "--no-trunc", "--filter", "--format"), _NETWORKS),
    "network inspect": dict.fromkeys(("", "--format"), _NETWORKS),
    "network connect": dict.fromkeys(("", "--alias", "--ip", "--link", "--gw-priority"), _NETWORKS),
    "network disconnect": dict.fromkeys(("", "--force"), _NETWORKS),
    "network rm": dict.fromkeys(("", "--force"), _NETWORKS),
    "network prune": dict.fromkeys(("", "--filter", "--force"), _NETWORKS),
    "prune": {
        "": ON_THE_PAGE,
        "--all": ON_THE_PAGE,
        "--filter": ON_THE_PAGE,
        "--force": ON_THE_PAGE,
    },
    "volume create": {
        "": ("volume create c1", "volume create c1", "volume ls -q", "volume rm c1", "?volume create /"),
        "--label": (
            "volume create --label a=b c1",
            "?volume create --label '' c2",
            "volume ls -q --filter label=a=b",
            "volume ls -q --filter label=a=c",
            "volume rm c1",
        ),
        "--driver": ("volume create -d local c1", "volume rm c1", "?volume create -d nothing c1"),
        "--opt": (
            "volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=1000 c1",
            "volume inspect -f '{{.Options}} {{json .Options}}' c1",
            "volume create -o type=tmpfs -o device=other c1",
            "volume inspect -f '{{.Options.device}}' c1",
            "run --rm -v c1:/data {image} sh -c 'while read a b c d; do case $b in /data) echo $a $c;; esac; done < /proc/mounts; echo x > /data/x'",
            "run --rm -v c1:/tmp {image} ls -A /tmp",
            "volume rm c1",
            "volume create -o type=none -o o=bind,ro -o device={files} c1",
            "run --rm -v c1:/data {image} sh -c 'cat /data/labels; echo x > /data/x; echo $?'",
            "volume rm c1",
            "?volume create -o nothing=x c1",
            "?volume create -o type=tmpfs c1",
            "?volume create -o device=tmpfs c1",
            "?volume create -o size=1m c1",
            "volume ls -q",
        ),
    },
    "volume ls": {
        "": ("volume create c1", "volume ls", "volume rm c1"),
        "--filter": (
            "volume create c1",
            "volume ls -q --filter name=c",
            "volume ls -q --filter name=^c1$",
            "volume ls -q --filter dangling=true",
            "?volume ls --filter nothing=x",
            "volume create c2",
            "volume ls -q --filter name=c1 --filter name=c2",
            "volume ls -q --filter driver=local --filter driver=other",
            "volume ls -q --filter dangling=true --filter dangling=false",
            "?volume ls --filter dangling=x",
            "volume rm c1 c2",
        ),
        "--quiet": ("volume create c1", "volume ls -q", "volume rm c1"),
        "--format": (
            "volume create --label a=b c1",
            "volume ls --format Driver,Name",
            "volume ls --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Labels}} {{.Label \"a\"}} {{.Links}} {{.Size}}'",
            "volume ls --format 'table {{.Name}}\\t{{.Label \"a\"}}\\t{{.Scope}}'",
            "volume rm c1",
        ),
    },
    "volume inspect": {
        "": ("volume create c1", "?volume inspect c1", "volume inspect nothing", "volume rm c1"),
        "--format": (
            "volume create --label a=b c1",
            "volume inspect --format Driver,Name c1",
            "volume inspect --format '{{.Name}} {{.Driver}} {{.Labels}} {{json .Labels}} {{.Scope}} {{.Options}}' c1",
            "?volume inspect --format '{{.Nothing}}' c1",
            "volume rm c1",
        ),
    },
    "volume rm": {
        "": (
            "volume create c1",
            "create --name c1 -v c1:/data {image} true",
            "?volume rm c1",
            "rm c1",
            "volume rm c1",
            "volume rm c1",
        ),
        "--force": ("volume create c1", "volume rm -f c1", "volume rm -f c1"),
    },
    "volume prune": {
        "": ON_THE_PAGE,
        "--all": ON_THE_PAGE,
        "--filter": ON_THE_PAGE,
        "--force": ON_THE_PAGE,
    },
    "login": dict.fromkeys(
        ("", "--username", "--password-stdin", "--password", "--plain-http", "--tls-verify"),
        "tests/runtime/test_login.py has docker read what preg writes, and the other way round",
    ),
    "logout": {"": "as login"},
}
