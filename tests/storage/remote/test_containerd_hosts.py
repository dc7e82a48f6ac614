"""Hosts of a registry in containerd's form, in all that it allows."""

from pathlib import Path

import pytest

from storage.remote.containerd_hosts import Host, Hosts, HostsUnreadable, find_hosts
from storage.remote.tls import ClientCertificate

ALL = frozenset(("pull", "resolve", "push"))


def read(folder: Path, text: str, name: str = "r.test") -> Hosts:
    path = folder / name / "hosts.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return find_hosts([folder], "r.test")


def test_hosts_are_asked_in_the_order_of_the_file_and_the_server_last(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
server = "https://own.test/v2/"
ca = "own.crt"
dial_timeout = "3s"

[host."http://b.test:5000"]
capabilities = ["pull"]

[host."a.test"]
ca = ["a.crt", "/b.crt"]
client = [["c.crt", "c.key"], ["d.crt", ""]]
skip_verify = true
header = { X-One = "1", X-Two = ["2", "3"] }

[host."https://c.test/below"]
client = ["both.pem"]

[host."https://d.test/as/it/is/"]
override_path = true
client = "both.pem"
""",
    )
    both = ClientCertificate(f"{tmp_path}/r.test/both.pem", f"{tmp_path}/r.test/both.pem")
    assert found.server == Host("https", "own.test", "/v2", ALL, (f"{tmp_path}/r.test/own.crt",), None, False, {})
    assert found.before == (
        Host("http", "b.test:5000", "/v2", frozenset(("pull",)), (), None, False, {}),
        Host(
            "https",
            "a.test",
            "/v2",
            ALL,
            (f"{tmp_path}/r.test/a.crt", "/b.crt"),
            ClientCertificate(f"{tmp_path}/r.test/c.crt", f"{tmp_path}/r.test/c.key"),
            True,
            {"X-One": "1", "X-Two": "2, 3"},
        ),
        Host("https", "c.test", "/below/v2", ALL, (), both, False, {}),
        Host("https", "d.test", "/as/it/is", ALL, (), both, False, {}),
    )


def test_a_registrys_own_file_goes_before_the_default(tmp_path: Path) -> None:
    assert find_hosts([tmp_path, tmp_path / "none"], "r.test") == Hosts()
    default = read(tmp_path, 'server = "https://default.test"', "_default")
    assert default.server is not None
    assert default.server.address == "default.test"
    own = read(tmp_path, "")
    assert own.server is not None
    assert own.server.address == ""


@pytest.mark.parametrize(
    "text", ["ca = 1", "host = 1", 'server = "ftp://x"', 'server = "https://"', "= 1", "[host.'']"]
)
def test_a_file_that_cannot_be_understood_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(HostsUnreadable, match=rf"{tmp_path}/r\.test/hosts\.toml cannot be used"):
        read(tmp_path, text)
