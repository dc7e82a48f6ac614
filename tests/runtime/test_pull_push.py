"""Images fetched from and sent to a real registry, and what the store looks like when that goes wrong."""

import gzip
import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.layers import Layers
from storage.oci.digest import Digest
from tests.parts.fault_proxy import Call, cut_in_the_body, faulty
from tests.parts.images import MANIFEST, Image, data, multi_arch, push
from tests.parts.required import missing
from tests.parts.server import Server, mounts, serving, uploads
from tests.parts.wire import sha256
from tests.runtime.archives import END, file
from tests.runtime.conftest import Preg


def nothing_half_done(preg: Preg) -> bool:
    return list((preg.home / "new").iterdir()) == []


def test_an_image_is_pulled_whole_and_a_second_pull_downloads_nothing(
    server: Server, repository: str, preg: Preg
) -> None:
    image, name = data("pull", layers=5), f"{server.address}/{repository}:1"
    push(server, repository, "1", image)
    assert preg.ok("pull", name) == f"{name} is {image.digest}\n"
    for digest, content in {**image.blobs, image.digest: image.manifest}.items():
        assert (preg.home / "content/sha256" / digest.removeprefix("sha256:")).read_bytes() == content
    Layers(f"{preg.home}/layers", f"{preg.home}/containers").ready([Digest(diff_id) for diff_id in image.diff_ids])
    for number, diff_id in enumerate(image.diff_ids):
        root = preg.home / "layers" / diff_id.removeprefix("sha256:") / "root"
        assert (root / f"data/{number}").stat().st_size == 1 << 20
    with server.recording() as requests:
        assert preg.ok("pull", name) == f"{name} is {image.digest}\n"
    assert [(each.method, each.path.rpartition("/")[2]) for each in requests] == [("GET", "1")]
    assert nothing_half_done(preg)


def test_the_installed_command_pulls_too(server: Server, repository: str, preg: Preg) -> None:
    """As `make` installs it, our packages are found by a hook of setuptools, and not by a path."""
    program = Path(sys.executable).with_name("preg")
    if not program.exists():
        missing("preg is not installed beside Python: pip install --editable .")
    image, name = data("installed"), f"{server.address}/{repository}:1"
    push(server, repository, "1", image)
    environ = {variable: value for variable, value in preg.environ.items() if variable != "PYTHONPATH"}
    done = subprocess.run([program, "pull", name], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{name} is {image.digest}\n"), done.stderr


def test_a_pushed_image_is_the_pulled_one_byte_for_byte(server: Server, repository: str, preg: Preg) -> None:
    image, name = data("push", layers=3), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    preg.ok("pull", f"{name}:1")
    target = f"{server.address}/{repository}-copy:2"
    with server.recording() as first:
        assert preg.ok("push", f"{name}:1", target) == f"{target} is {image.digest}\n"
    assert len(uploads(first)) == len(mounts(first)) == 4
    stored = server.stored(f"{repository}-copy", "2")
    assert (stored.manifest, stored.blobs) == (image.manifest, image.blobs)
    with server.recording() as second:
        preg.ok("push", f"{name}:1", target)
    assert [each.method for each in second if each.method not in ("GET", "HEAD")] == ["PUT"]


def test_an_image_is_pushed_to_a_registry_that_has_nothing_of_it(
    server: Server, repository: str, preg: Preg, tmp_path: Path
) -> None:
    image, name = data("afar", layers=3), f"{server.address}/{repository}:1"
    push(server, repository, "1", image)
    preg.ok("pull", name)
    with serving(tmp_path / "other") as other:
        preg.ok("push", name, f"{other.address}/{repository}:1")
        stored = other.stored(repository, "1")
    assert (stored.manifest, stored.blobs) == (image.manifest, image.blobs)


def test_every_tag_is_pushed_or_one_image_by_its_id(server: Server, repository: str, preg: Preg) -> None:
    image, name = data("tags", layers=1, size=1000), f"{server.address}/{repository}"
    push(server, f"{repository}-source", "1", image)
    preg.ok("pull", f"{name}-source:1")
    for tag in ("a", "b"):
        preg.ok("tag", f"{name}-source:1", f"{name}:{tag}")
    assert preg.ok("push", "-a", name) == f"{name}:a is {image.digest}\n{name}:b is {image.digest}\n"
    assert sorted(server.tags(repository)) == ["a", "b"]
    short = image.config_digest[7:19]
    assert preg.ok("push", short, f"{name}:c") == f"{name}:c is {image.digest}\n"
    assert "is an ID, which does not say where to" in preg.fails("push", short, status=2)
    assert "one name without a tag" in preg.fails("push", "-a", f"{name}:a", status=2)
    assert "no image on this host has a tag of nothing" in preg.fails("push", "-a", "nothing")


def test_of_an_index_the_image_for_this_host_is_taken(server: Server, repository: str, preg: Preg) -> None:
    index = multi_arch("pull")
    push(server, repository, "all", index)
    wanted = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    (mine,) = [image for image in index.images if image.architecture == wanted]
    name = f"{server.address}/{repository}:all"
    assert preg.ok("pull", name) == f"{name} is {mine.digest}\n"


def test_an_index_without_this_host_says_what_there_is(server: Server, repository: str, preg: Preg) -> None:
    index = multi_arch("elsewhere")
    document = json.loads(index.manifest)
    for entry in document["manifests"]:
        entry["platform"] = {"os": "linux", "architecture": "s390x"}
    push(server, repository, "all", index)
    server.push_manifest(repository, "other", json.dumps(document).encode(), document["mediaType"])
    said = preg.fails("pull", f"{server.address}/{repository}:other")
    assert "is not offered for linux/" in said
    assert said.endswith("only for linux/s390x")


def test_what_is_no_image_is_called_what_it_is(server: Server, repository: str, preg: Preg) -> None:
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2}
    chart = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example",
        "config": empty,
        "layers": [empty],
    }
    server.push_blob(repository, b"{}")
    server.push_manifest(repository, "1", json.dumps(chart).encode(), MANIFEST)
    said = preg.fails("pull", f"{server.address}/{repository}:1")
    assert said.endswith("is no container image but application/vnd.example")


def test_what_is_not_there_is_said_in_one_sentence(server: Server, repository: str, preg: Preg) -> None:
    said = preg.fails("pull", f"{server.address}/{repository}:none")
    assert said == f"{server.address} has no repository {repository}"


def test_a_layer_that_was_spoiled_in_the_registry_is_refused(server: Server, repository: str, preg: Preg) -> None:
    image = data("spoiled", layers=2, size=1 << 16)
    push(server, repository, "1", image)
    digest = sha256(image.layers[1])[7:]
    stored = server.storage / f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(content)
    done = preg.run("pull", f"{server.address}/{repository}:1")
    assert done.returncode == 1
    assert "cannot be decompressed" in done.stderr or "the registry sent sha256:" in done.stderr
    assert nothing_half_done(preg)
    assert not (preg.home / "layers" / image.diff_ids[1][7:]).exists()
    assert preg.ok("images").count("\n") == 1


def test_a_layer_other_than_the_configuration_says_is_refused(server: Server, repository: str, preg: Preg) -> None:
    honest = Image((file(b"a", b"x") + END,), {})
    config = honest.config.replace(honest.diff_ids[0].encode(), sha256(b"something else").encode())
    manifest = honest.manifest.replace(sha256(honest.config).encode(), sha256(config).encode())
    for content in (config, *honest.layers):
        server.push_blob(repository, content)
    server.push_manifest(repository, "1", manifest, MANIFEST)
    done = preg.run("pull", f"{server.address}/{repository}:1")
    assert done.returncode == 1
    assert f"and the image says {sha256(b'something else')}" in done.stderr
    assert nothing_half_done(preg)


@pytest.mark.parametrize("number", [0, 1])
def test_a_hostile_layer_is_refused_with_its_name(server: Server, repository: str, preg: Preg, number: int) -> None:
    hostile = (file(b"../escaped", b"x") + END, gzip.decompress(gzip.compress(b"no archive" * 200)))[number]
    push(server, repository, "1", Image((hostile,), {}))
    done = preg.run("pull", f"{server.address}/{repository}:1")
    assert done.returncode == 1
    assert ("leads out of the root", "damaged")[number] in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(preg.home.rglob("escaped"))
    assert nothing_half_done(preg)


def test_an_image_pulled_by_many_at_once_is_there_once(server: Server, repository: str, preg: Preg) -> None:
    image, name = data("at once", layers=3), f"{server.address}/{repository}:1"
    push(server, repository, "1", image)
    pulls = [
        subprocess.Popen(
            preg.command("pull", "-q", name), env=preg.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    said = [pull.communicate() for pull in pulls]
    assert said == [(f"{name}\n".encode(), b"")] * 3
    assert sorted(path.name for path in (preg.home / "layers").iterdir()) == sorted(d[7:] for d in image.diff_ids)
    assert nothing_half_done(preg)


def test_what_a_killed_pull_left_is_swept_by_the_next(server: Server, repository: str, preg: Preg) -> None:
    left = preg.home / "new/0123456789ab/x.tree/deep"
    left.mkdir(parents=True)
    (left / "file").write_bytes(b"x")
    push(server, repository, "1", data("swept", layers=1, size=1000))
    preg.ok("pull", f"{server.address}/{repository}:1")
    assert nothing_half_done(preg)


def test_damaged_content_is_found_and_mended_by_a_pull(server: Server, repository: str, preg: Preg) -> None:
    image, name = data("damage", layers=1, size=1000), f"{server.address}/{repository}:1"
    push(server, repository, "1", image)
    preg.ok("pull", name)
    (preg.home / "content/sha256" / image.digest[7:]).write_bytes(b"{}")
    assert "was damaged on this host" in preg.fails("images")
    preg.ok("pull", name)
    assert image.config_digest[7:19] in preg.ok("images")


def test_a_damaged_configuration_is_found_and_mended_by_a_pull(server: Server, repository: str, preg: Preg) -> None:
    image, name = data("damaged configuration", layers=1, size=1000), f"{server.address}/{repository}:1"
    create = ("create", "--runtime", "true", "--pull", "never", name, "x")
    push(server, repository, "1", image)
    preg.ok("pull", name)
    configuration = preg.home / "content/sha256" / image.config_digest[7:]
    configuration.write_bytes(configuration.read_bytes().replace(b"linux", b"Linux"))
    assert f"the image {name} is damaged: pull it again" in preg.run("system", "check").stdout
    preg.ok("pull", name)
    preg.ok(*create)
    configuration.write_bytes(bytes(100))
    assert "was damaged on this host and has been removed: pull the image again" in preg.fails(*create)
    assert "is missing on this host: pull the image again" in preg.fails(*create)
    preg.ok("pull", name)
    preg.ok(*create)


def test_a_pull_that_is_cut_off_goes_on_where_it_was(server: Server, repository: str, preg: Preg) -> None:
    image = data("cut off", layers=1)
    push(server, repository, "1", image)
    layer, starts = sha256(image.layers[0]).encode(), list[int]()

    def cut_twice(call: Call) -> None:
        if not call.head.startswith(b"GET ") or layer not in call.head:
            call.answer(*call.forward())
            return
        asked = re.search(rb"\r\nrange: bytes=(\d+)-", call.head.lower())
        starts.append(int(asked[1]) if asked else 0)
        if len(starts) < 3:
            cut_in_the_body(call)
        else:
            call.answer(*call.forward())

    with faulty(server.url) as proxy:
        proxy.plan(cut_twice)
        preg.ok("pull", f"{proxy.endpoint.removeprefix('http://')}/{repository}:1")
    size = len(image.layers[0])
    assert starts == [0, size // 2, size // 2 + (size - size // 2) // 2]


def test_what_is_damaged_does_not_hide_the_rest(server: Server, repository: str, preg: Preg) -> None:
    names = [f"{server.address}/{repository}:{tag}" for tag in "ab"]
    images = [data(tag, layers=1, size=1000) for tag in "ab"]
    for name, image in zip(names, images, strict=True):
        push(server, repository, name[-1], image)
        preg.ok("pull", name)
    (preg.home / "content/sha256" / sha256(images[0].layers[0])[7:]).unlink()
    assert f"the image {names[0]} is damaged: pull it again, or remove it" in preg.run("system", "check").stdout
    (preg.home / "content/sha256" / images[0].digest[7:]).write_bytes(b"{}")
    done = preg.run("images", "-q")
    assert (done.returncode, done.stdout) == (1, f"{images[1].config_digest[7:19]}\n")
    preg.ok("pull", names[0])
    assert "damaged" not in preg.run("system", "check").stdout
