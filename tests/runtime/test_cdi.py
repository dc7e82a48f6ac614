"""Devices of the Container Device Interface: what a specification tells of is in the container, and nothing else.

There is no GPU here: the device is one that every host has, under another name, with files and hooks as a vendor's has.
"""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import cdi
from runtime.cli.gpus import read_gpus
from runtime.errors import Fault, UsageError
from runtime.mounts import Mount
from tests.parts.required import require_root
from tests.runtime.conftest import Preg

SPECIFICATION = """
cdiVersion: 0.6.0
kind: {kind}
containerEdits:
  env: [MADE_FOR=all]
  mounts:
    - hostPath: {folder}/library
      containerPath: /usr/lib/vendor/library
      options: [ro, nosuid, nodev, bind]
devices:
  - name: "0"
    containerEdits:
      deviceNodes:
        - path: /dev/vendor0
          hostPath: /dev/full
          fileMode: 416
          uid: 7
      env: [VISIBLE=0]
      additionalGids: [44]
      hooks:
        - hookName: createRuntime
          path: /bin/sh
          args: [sh, -c, "echo ran > {folder}/hook"]
  - name: "1"
    containerEdits:
      env: [VISIBLE=1]
"""


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The two places where specifications are."""
    places = tmp_path / "etc", tmp_path / "run"
    for place in places:
        place.mkdir()
    monkeypatch.setattr(cdi, "FOLDERS", tuple(map(str, places)))
    return places


@pytest.fixture
def kind(tmp_path: Path) -> Iterator[str]:
    """A kind of devices that this host has for the length of a test."""
    require_root()
    vendor = f"tests-{uuid.uuid4()}.preg"
    place = Path("/var/run/cdi")
    made = not place.exists()
    place.mkdir(exist_ok=True)
    path = place / f"{vendor}.yaml"
    (tmp_path / "library").write_text("library")
    path.write_text(SPECIFICATION.format(kind=f"{vendor}/thing", folder=tmp_path))
    yield f"{vendor}/thing"
    path.unlink()
    if made:
        place.rmdir()


def bundle() -> dict[str, Any]:
    process = {"env": ["PATH=/bin", "A=1"], "user": {"uid": 0, "gid": 0}}
    return {"process": process, "linux": {"devices": [], "resources": {"devices": []}}}


def write(path: Path, name: str, **edits: object) -> None:
    document = {"cdiVersion": "0.5.0", "kind": "v.example/c", "devices": [{"name": name, "containerEdits": edits}]}
    path.write_text(json.dumps(document))


def test_a_container_gets_what_the_vendor_wants(
    host: Preg, image: str, oci_runtime: str, kind: str, tmp_path: Path
) -> None:
    line = (
        "ls -ln /dev/vendor0; cat /usr/lib/vendor/library; echo $MADE_FOR $VISIBLE; id -G;"
        " echo x > /usr/lib/vendor/library; echo x > /dev/vendor0"
    )
    words = ("run", "--rm", "--runtime", oci_runtime, "--network", "none", "--device")
    done = host.run(*words, f"{kind}=0", image, "sh", "-c", line)
    node, rest = done.stdout.split("\n", 1)
    assert (node.split()[0], node.split()[2]) == ("crw-r-----", "7")
    assert rest == "libraryall 0\n0 44\n"
    assert "Read-only file system" in done.stderr
    # It is /dev/full, to which the container may write.
    assert "No space left on device" in done.stderr
    assert (tmp_path / "hook").read_text() == "ran\n"
    assert host.ok(*words, f"{kind}=1", image, "sh", "-c", "test -e /dev/vendor0; echo $? $VISIBLE") == "1 1\n"


def test_inspect_tells_of_them_and_one_that_is_missing_is_told(host: Preg, image: str, kind: str) -> None:
    name = host.ok("create", "--device", f"{kind}=0", "--gpus", '"device=3,GPU-x"', image, "true").strip()
    (request,) = json.loads(host.ok("inspect", "-f", "{{json .HostConfig.DeviceRequests}}", name))
    assert request["DeviceIDs"] == [f"{kind}=0", "nvidia.com/gpu=3", "nvidia.com/gpu=GPU-x"]
    said = host.fails("start", name)
    assert said.startswith("there is no device nvidia.com/gpu=3 in /etc/cdi and /var/run/cdi, there are ")
    assert f"{kind}=0" in said
    assert "nvidia-ctk cdi generate" in said
    host.ok("rm", name)


def test_the_second_directory_counts_where_both_have_a_device(folders: tuple[Path, Path]) -> None:
    write(folders[0] / "a.json", "x", env=["FROM=etc"])
    write(folders[0] / "b.json", "y", env=["Y=1"])
    write(folders[1] / "z.json", "x", env=["FROM=run"])
    (folders[0] / "notes.txt").write_text("not one")
    assert cdi.find_edits(("v.example/c=x", "v.example/c=y")).env == ("FROM=run", "Y=1")


def test_what_is_there_is_replaced_and_the_persons_mounts_stay(folders: tuple[Path, Path]) -> None:
    mounts = [{"hostPath": "/usr", "containerPath": "/a"}, {"hostPath": "/usr", "containerPath": "/b/../c"}]
    node = {"path": "/dev/null"}
    write(folders[0] / "a.json", "x", env=["A=2"], mounts=mounts, deviceNodes=[node, node], additionalGids=[5, 5])
    edits = cdi.find_edits(("v.example/c=x",))
    assert cdi.mounts_of(edits, {"/a"}) == (Mount("/usr", "/c", ("rbind", "rprivate")),)
    described = bundle()
    cdi.apply(edits, described)
    assert described["process"]["env"] == ["PATH=/bin", "A=2"]
    assert described["process"]["user"]["additionalGids"] == [5]
    assert [(each["path"], each["major"], each["minor"]) for each in described["linux"]["devices"]] == [
        ("/dev/null", 1, 3)
    ]


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ({"deviceNodes": [{"path": "/etc/passwd"}]}, "they are made in /dev alone"),
        ({"deviceNodes": [{"path": "/dev/../etc/x", "hostPath": "/dev/null"}]}, "they are made in /dev alone"),
        ({"deviceNodes": [{"path": "/dev/nothing-here"}]}, "is its driver loaded"),
        ({"deviceNodes": [{"path": "/dev/x", "hostPath": "/etc/passwd"}]}, "which is no device"),
    ],
)
def test_what_no_vendor_should_want_is_refused(folders: tuple[Path, Path], edits: dict[str, Any], said: str) -> None:
    write(folders[0] / "a.json", "x", **edits)
    found = cdi.find_edits(("v.example/c=x",))
    with pytest.raises(Fault, match=said):
        cdi.apply(found, bundle())


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
@pytest.mark.parametrize("text", ["", "[", "{}", "[]", '{"kind": 1}', '{"kind": "v/c", "devices": [{"name": null}]}'])
def test_a_file_that_is_no_specification_is_named(folders: tuple[Path, Path], name: str, text: str) -> None:
    (folders[0] / name).write_text(text)
    with pytest.raises(Fault, match=f"{name} is no specification of CDI devices"):
        cdi.find_edits(("v.example/c=x",))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("all", ["all"]),
        ("-1", ["all"]),
        ("count=all,driver=nvidia", ["all"]),
        ("2", ["0", "1"]),
        ("device=1", ["1"]),
        ('"device=0,2",capabilities=utility', ["0", "2"]),
    ],
)
def test_gpus_are_named_as_for_docker(text: str, ids: list[str]) -> None:
    assert read_gpus(text) == tuple(f"nvidia.com/gpu={each}" for each in ids)


@given(st.text())
def test_any_text_names_gpus_or_is_refused(text: str) -> None:
    try:
        found = read_gpus(text)
    except UsageError:
        return
    assert found
    assert all(name.startswith("nvidia.com/gpu=") for name in found)


def test_no_directory_is_no_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cdi, "FOLDERS", (os.fspath(tmp_path / "none"),))
    with pytest.raises(Fault, match="and nothing else"):
        cdi.find_edits(("v.example/c=x",))
