"""What is told of an image, beside what docker tells of the same."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.parts.docker import Docker
from tests.parts.images import Image, busybox, write_docker_archive
from tests.runtime.conftest import Preg

pytestmark = pytest.mark.xdist_group("docker")


class Told(Image):
    """An image whose configuration tells more than most."""

    @property
    def config(self) -> bytes:  # type: ignore[override]
        document: dict[str, Any] = json.loads(super().config)
        document["author"] = "somebody"
        document["history"] = [
            {"created": "2020-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:0123456789abcdef in / "},
            {"created": "2021-01-01T00:00:00Z", "created_by": "ENV\tA=1", "empty_layer": True},
            {"created": "2022-01-01T00:00:00Z", "created_by": "RUN echo", "comment": "the last"},
        ]
        return json.dumps(document).encode()


@pytest.fixture
def image(preg: Preg, docker: Docker, tmp_path: Path) -> Image:
    """An image that both have."""
    plain = replace(busybox("told"), created="2022-01-01T00:00:00Z")
    image = Told(
        plain.tars, {**plain.settings, "Labels": {"a": "1"}, "ExposedPorts": {"80/tcp": {}}}, created=plain.created
    )
    archive = write_docker_archive(tmp_path / "image.tar", image, "told:1")
    preg.ok("load", "-q", "-i", str(archive))
    docker("load", "-i", str(archive))
    return image


def test_an_image_is_described_as_docker_does(preg: Preg, docker: Docker, image: Image) -> None:
    theirs = docker.inspect("told:1")
    for arguments in (["told:1"], ["--type", "image", image.config_digest[7:19]]):
        (ours,) = json.loads(preg.ok("inspect", *arguments))
        assert {
            name: ours[name] for name in ("Id", "RepoTags", "Author", "Architecture", "Os", "Created", "Comment")
        } == {name: theirs[name] for name in ("Id", "RepoTags", "Author", "Architecture", "Os", "Created", "Comment")}
        assert ours["RootFS"] == theirs["RootFS"]
        assert {name: theirs["Config"][name] for name in ours["Config"]} == ours["Config"]
    assert preg.ok("inspect", "-f", "Id,Config.Labels", "told:1") == f'{image.config_digest}\t{{"a":"1"}}\n'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no container, image, network or volume 'nothing'"),
        (["--type", "image"], "there is no image nothing on this host; 'preg images' lists those there are"),
        (["--type", "container"], "there is no container 'nothing': 'preg ps -a' lists those there are"),
    ],
)
def test_what_is_not_there_is_said_not_to_be(preg: Preg, arguments: list[str], said: str) -> None:
    done = preg.run("inspect", *arguments, "nothing")
    assert (done.returncode, done.stdout, done.stderr) == (1, "[]\n", f"preg: {said}\n")


def test_a_kind_that_there_is_not(preg: Preg) -> None:
    said = preg.fails("inspect", "--type", "thing", "nothing", status=2)
    assert said == "--type is container, image, network, volume, not 'thing'"


def test_history_is_dockers(preg: Preg, docker: Docker, image: Image) -> None:
    theirs = docker(
        "history", "--no-trunc", "--format", "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Comment}}", "told:1"
    )
    ours = preg.ok("history", "--no-trunc", "--format", "ID,CreatedAt,CreatedBy,Comment", "told:1")
    assert ours.strip().splitlines() == theirs.strip().splitlines()
    head, *rows = preg.ok("history", "told:1").splitlines()
    assert head.split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert rows[0].startswith(image.config_digest[7:19])
    assert [row.split()[0] for row in rows[1:]] == ["<missing>"] * 2
    assert docker("history", "told:1", "--format", "{{.CreatedBy}}").splitlines() == (
        preg.ok("history", "told:1", "--format", "CreatedBy").splitlines()
    )
    assert preg.ok("history", "-q", "told:1").split() == [image.config_digest[7:19], "<missing>", "<missing>"]
    assert preg.ok("history", "--human=false", "--format", "Size", "told:1").split()[1] == "0"
