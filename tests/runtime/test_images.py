"""The images on this host: their names, how they are listed, and what is left when names move on."""

import json
from dataclasses import replace

import pytest

from tests.parts.images import Image, data, push
from tests.parts.server import Server
from tests.runtime.conftest import Preg


def made(seed: str, created: str = "1970-01-01T00:00:00Z", **settings: object) -> Image:
    """A small image with settings of its own."""
    return replace(data(seed, layers=2, size=1000), settings={"Cmd": ["/none"], **settings}, created=created)


def listed(preg: Preg, *arguments: str) -> list[list[str]]:
    """The cells of each row of a list in which every cell is asked for."""
    fields = "Repository,Tag,Digest,ID"
    return [line.split("\t") for line in preg.ok("images", "--format", fields, *arguments).splitlines()]


def test_images_are_listed_as_docker_does(server: Server, repository: str, preg: Preg) -> None:
    image, name = made("listed"), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    preg.ok("pull", f"{name}:1")
    head, row = preg.ok("images").splitlines()
    assert head.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert row.split()[:3] == [name, "1", image.config_digest[7:19]]
    assert row.split()[-3:] == ["years", "ago", "2kB"]
    assert preg.ok("images", "-q") == f"{image.config_digest[7:19]}\n"
    assert preg.ok("images", "-q", "--no-trunc") == f"{image.config_digest}\n"
    assert preg.ok("images", "--digests").splitlines()[1].split()[:4] == [
        *(name, "1", image.digest, image.config_digest[7:19])
    ]
    document = json.loads(preg.ok("images", "--format", "json"))
    assert (document["Repository"], document["Tag"], document["Size"]) == (name, "1", "2kB")


def test_a_tag_that_moves_on_leaves_an_image_without_a_tag(server: Server, repository: str, preg: Preg) -> None:
    old, new, name = made("old"), made("new"), f"{server.address}/{repository}"
    for image in (old, new):
        push(server, repository, "1", image)
        preg.ok("pull", f"{name}:1")
    assert sorted(listed(preg)) == sorted([
        [name, "<none>", old.digest, old.config_digest[7:19]],
        [name, "1", new.digest, new.config_digest[7:19]],
    ])  # fmt: skip
    assert [row[3] for row in listed(preg, "--filter", "dangling=true")] == [old.config_digest[7:19]]
    assert [row[3] for row in listed(preg, "--filter", "dangling=false")] == [new.config_digest[7:19]]


def test_an_image_pulled_by_digest_has_no_tag(server: Server, repository: str, preg: Preg) -> None:
    image, name = made("digest"), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    preg.ok("pull", f"{name}:other@{image.digest}")
    assert listed(preg) == [[name, "<none>", image.digest, image.config_digest[7:19]]]
    preg.ok("tag", f"{name}@{image.digest}", "elsewhere:2")
    assert sorted(listed(preg)) == [
        [name, "<none>", image.digest, image.config_digest[7:19]],
        ["elsewhere", "2", "<none>", image.config_digest[7:19]],
    ]


def test_a_tag_is_given_by_name_or_id_and_taken_from_another(server: Server, repository: str, preg: Preg) -> None:
    one, two, name = made("one"), made("two"), f"{server.address}/{repository}"
    for tag, image in (("1", one), ("2", two)):
        push(server, repository, tag, image)
        preg.ok("pull", f"{name}:{tag}")
    assert preg.ok("tag", f"{name}:1", "app") == ""
    assert preg.ok("tag", two.config_digest[7:15], "app:two") == ""
    preg.ok("tag", two.config_digest, "app:latest")
    assert sorted(row[:2] + row[3:] for row in listed(preg, "app")) == [
        ["app", "latest", two.config_digest[7:19]],
        ["app", "two", two.config_digest[7:19]],
    ]
    assert (
        preg.fails("tag", "nothing", "app")
        == "there is no image nothing on this host; 'preg images' lists those there are"
    )
    assert "names a digest" in preg.fails("tag", "app", f"app@{one.digest}", status=2)


def test_filters_choose(server: Server, repository: str, preg: Preg) -> None:
    name = f"{server.address}/{repository}"
    ages = {
        "old": "2001-01-01T00:00:00Z",
        "middle": "2011-01-01T00:00:00.123456789Z",
        "young": "2021-01-01T00:00:00+01:00",
    }
    for tag, created in ages.items():
        push(server, repository, tag, made(tag, created, Labels={"age": tag, tag: ""}))
        preg.ok("pull", f"{name}:{tag}")

    def chosen(*filters: str) -> list[str]:
        return [row[1] for row in listed(preg, *(word for each in filters for word in ("--filter", each)))]

    assert chosen() == ["young", "middle", "old"]
    assert chosen(f"since={name}:old") == ["young", "middle"]
    assert chosen(f"before={name}:young", f"since={name}:old") == ["middle"]
    assert chosen("until=2015-01-01") == ["middle", "old"]
    assert chosen("label=age") == ["young", "middle", "old"]
    assert chosen("label=age=old") == ["old"]
    assert chosen("label!=young") == ["middle", "old"]
    assert chosen(f"reference={name}:[my]*") == ["young", "middle"]
    assert chosen(f"reference={name.rpartition('/')[0]}/*") == ["young", "middle", "old"]
    assert chosen("reference=*") == []
    assert "it is KEY=VALUE" in preg.fails("images", "--filter", "colour=red", status=2)
    assert "there is no image nothing" in preg.fails("images", "--filter", "before=nothing")
    assert [row[1] for row in listed(preg, f"{name}:old")] == ["old"]
    assert len(listed(preg, name)) == 3


def test_an_id_that_begins_several_is_not_guessed(server: Server, repository: str, preg: Preg) -> None:
    name, seen = f"{server.address}/{repository}", dict[str, str]()
    for number in range(17):  # of seventeen two begin alike
        image = made(f"many {number}")
        push(server, repository, str(number), image)
        preg.ok("pull", "-q", f"{name}:{number}")
        first = image.config_digest[7]
        if first in seen:
            assert f"{first!r} begins the IDs of 2 images" in preg.fails("tag", first, "one")
            return
        seen[first] = image.config_digest
    pytest.fail("seventeen images with different first digits")
