"""The same commands on the same images, given to preg and to docker: what both print is the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.parts.docker import Docker
from tests.parts.images import Image, data, write_docker_archive
from tests.runtime.conftest import Preg

pytestmark = pytest.mark.xdist_group("docker")


@pytest.fixture
def image(preg: Preg, docker: Docker, tmp_path: Path) -> Image:
    """An image that both have under the same names."""
    image = replace(data("beside", layers=3, size=123_456), created="2022-02-02T00:00:00Z", settings={"Cmd": ["/none"]})
    archive = str(write_docker_archive(tmp_path / "image.tar", image, "team/app:1"))
    assert preg.ok("load", "-q", "-i", archive) == docker.run("load", "-q", "-i", archive).stdout
    for name in ("team/app:2", "localhost/app", "other:1"):
        assert preg.ok("tag", "team/app:1", name) == docker("tag", "team/app:1", name) == ""
    return image


@pytest.mark.parametrize(
    "arguments",
    [
        ["images"],
        ["images", "-a"],
        ["images", "--digests"],
        ["images", "--no-trunc"],
        ["images", "-q"],
        ["images", "-q", "--no-trunc"],
        ["images", "team/app"],
        ["images", "team/app:2"],
        ["images", "app"],
        ["images", "--filter", "reference=*/app:[12]"],
        ["images", "--filter", "dangling=true"],
        ["images", "--filter", "before=other:1"],
        ["history", "other:1"],
        ["history", "-q", "--no-trunc", "other:1"],
        ["history", "--human=false", "other:1"],
    ],
    ids=" ".join,
)
def test_lists_are_the_same(preg: Preg, docker: Docker, image: Image, arguments: list[str]) -> None:
    theirs = docker.run(*arguments)
    assert sorted(preg.ok(*arguments).splitlines()) == sorted(line for line in theirs.stdout.splitlines() if line)


@pytest.mark.parametrize(
    "commands",
    [
        [["rmi", "team/app:1"], ["rmi", "team/app:2"], ["rmi", "localhost/app", "other:1"]],
        [["rmi", "ID"], ["rmi", "-f", "ID"], ["rmi", "ID"]],
        [["rmi", "other:1", "nothing", "other:1"], ["rmi", "-f", "nothing"], ["rmi", "-f", "SHORT"]],
        [["rmi", "other:1"], ["rmi", "localhost/app:latest"], ["rmi", "team/app:2"], ["rmi", "SHORT"]],
        [["rmi", "--no-prune", "-f", "ID"]],
        [["tag", "nothing", "x"], ["tag", "other:1", "UPPER"], ["tag", "other:1", "other:2"], ["rmi", "other:2"]],
    ],
    ids=lambda commands: " and ".join(" ".join(words) for words in commands),
)
def test_names_and_images_are_removed_in_the_same_words(
    preg: Preg, docker: Docker, image: Image, commands: list[list[str]]
) -> None:
    identifiers = {"ID": image.config_digest, "SHORT": image.config_digest[7:19]}
    for words in commands:
        arguments = [identifiers.get(word, word) for word in words]
        ours, theirs = preg.run(*arguments), docker.run(*arguments)
        # A word that is no name is a usage error, which has a status of its own here.
        assert (min(ours.returncode, 1), ours.stdout) == (min(theirs.returncode, 1), theirs.stdout), words
        assert bool(ours.stderr) == bool(theirs.stderr), words
    assert sorted(preg.ok("images", "-q").split()) == sorted(docker("images", "-q").split())


def test_prune_says_the_same(preg: Preg, docker: Docker, image: Image) -> None:
    ours, theirs = preg.ok("prune", "-a", "-f"), docker("image", "prune", "-a", "-f")
    assert sorted(ours.splitlines()[:6]) == sorted(theirs.splitlines()[:6])
