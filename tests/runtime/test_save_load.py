"""Images in files: from preg to docker, podman and skopeo and back, and archives that mean no good."""

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import zstd
from runtime.errors import Fault
from runtime.saved import Tar
from tests.parts.containers import Storage, skopeo
from tests.parts.docker import Docker
from tests.parts.images import Image, busybox, data, multi_arch, read_oci_layout, write_docker_archive, write_oci_layout
from tests.parts.server import Server
from tests.parts.wire import sha256
from tests.runtime.archives import END, HARD, SYM, file, header
from tests.runtime.conftest import Preg

IMAGE = data("saved", layers=2, size=1000)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """What docker wrote up to version 24."""
    return write_docker_archive(tmp_path / "docker.tar", IMAGE, "saved:1")


def blobs(preg: Preg) -> set[str]:
    """The digests of what is kept."""
    return {f"sha256:{path.name}" for path in (preg.home / "content/sha256").iterdir()}


def loaded(preg: Preg, path: Path) -> list[str]:
    return preg.ok("load", "-q", "-i", str(path)).splitlines()


@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress],
    ids=["plain", "gzip", "bzip2", "xz", "zstd"],
)
def test_an_archive_of_docker_is_loaded_however_it_is_packed(
    preg: Preg, archive: Path, pack: Callable[[bytes], bytes]
) -> None:
    archive.write_bytes(pack(archive.read_bytes()))
    assert loaded(preg, archive) == ["Loaded image: saved:1"]
    with archive.open("rb") as stdin:
        again = subprocess.run(preg.command("load"), env=preg.environ, stdin=stdin, capture_output=True, check=True)
    assert again.stdout == b"Loaded image: saved:1\n"
    assert again.stderr.count(b"already here") == 2
    assert preg.ok("images", "-q", "--no-trunc") == f"{IMAGE.config_digest}\n"
    assert {IMAGE.config_digest, *IMAGE.diff_ids} < blobs(preg)


def test_a_saved_image_is_what_was_pulled_byte_for_byte(preg: Preg, tmp_path: Path) -> None:
    layout = write_oci_layout(tmp_path / "layout", IMAGE, "localhost/app:1")
    assert loaded(preg, layout) == ["Loaded image: localhost/app:1"]
    preg.ok("tag", "localhost/app:1", "app:two")
    for form in ("docker-archive", "oci-archive", "oci-dir"):
        saved = tmp_path / form
        preg.ok("save", "--format", form, "-o", str(saved), "localhost/app:1", "app", "app:two")
        other = Preg(tmp_path / f"{form}-home")
        assert loaded(other, saved) == ["Loaded image: localhost/app:1", "Loaded image: app:two"]
        assert blobs(other) == {IMAGE.digest, *IMAGE.blobs}
        assert other.ok("images", "--format", "Repository,Tag,ID").count(IMAGE.config_digest[7:19]) == 2


def test_an_image_without_a_name_is_saved_and_loaded_by_its_id(preg: Preg, archive: Path, tmp_path: Path) -> None:
    loaded(preg, archive)
    saved = tmp_path / "saved.tar"
    preg.ok("save", "-o", str(saved), IMAGE.config_digest[7:19])
    other = Preg(tmp_path / "other")
    assert loaded(other, saved) == [f"Loaded image ID: {IMAGE.config_digest}"]
    assert other.ok("images").splitlines()[1].split()[:2] == ["<none>", "<none>"]


@pytest.mark.xdist_group("docker")
def test_docker_and_preg_load_what_the_other_saved(docker: Docker, preg: Preg, tmp_path: Path) -> None:
    image = busybox("saved by docker")
    docker.load(image, "app:1")
    docker("tag", "app:1", "localhost/app:2")
    docker("save", "-o", str(tmp_path / "docker.tar"), "app:1", "localhost/app:2")
    assert sorted(loaded(preg, tmp_path / "docker.tar")) == ["Loaded image: app:1", "Loaded image: localhost/app:2"]
    assert set(preg.ok("images", "-q", "--no-trunc").split()) == {image.config_digest}
    preg.ok("save", "-o", str(tmp_path / "preg.tar"), "app:1", "localhost/app:2")
    docker.forget()
    said = docker("load", "-i", str(tmp_path / "preg.tar"))
    assert sorted(line for line in said.splitlines() if line) == [
        "Loaded image: app:1",
        "Loaded image: localhost/app:2",
    ]
    assert docker.inspect("app:1")["Id"] == docker.inspect("localhost/app:2")["Id"] == image.config_digest
    assert docker("run", "--rm", "--network", "none", "app:1") == "saved by docker"


def test_what_was_loaded_plain_is_pushed_compressed_and_kept_so(
    server: Server, repository: str, preg: Preg, archive: Path
) -> None:
    loaded(preg, archive)
    name = f"{server.address}/{repository}:1"
    preg.ok("tag", "saved:1", name)
    said = preg.ok("push", name)
    stored = server.stored(repository, "1")
    assert said == f"{name} is {sha256(stored.manifest)}\n"
    manifest = json.loads(stored.manifest)
    assert manifest["config"]["digest"] == IMAGE.config_digest
    layers = manifest["layers"]
    assert [gzip.decompress(stored.blobs[layer["digest"]]) for layer in layers] == list(IMAGE.tars)
    assert preg.ok("push", "saved:1", name) == said
    preg.ok("prune", "-f")
    assert blobs(preg) == {sha256(stored.manifest), IMAGE.config_digest, *(layer["digest"] for layer in layers)}
    preg.ok("rmi", "-f", IMAGE.config_digest)
    preg.ok("pull", name)
    assert preg.ok("images", "-q", "--no-trunc") == f"{IMAGE.config_digest}\n"


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_podman_and_preg_load_what_the_other_saved(podman: Storage, preg: Preg, tmp_path: Path, form: str) -> None:
    image = busybox("saved by podman")
    podman("load", "-i", str(write_docker_archive(tmp_path / "first.tar", image, "localhost/app:1")))
    podman("save", "--format", form, "-o", str(tmp_path / "podman.tar"), "localhost/app:1")
    assert loaded(preg, tmp_path / "podman.tar") == ["Loaded image: localhost/app:1"]
    podman("rmi", "--all", "--force")
    preg.ok("save", "--format", form, "-o", str(tmp_path / "preg.tar"), "localhost/app:1")
    podman("load", "-i", str(tmp_path / "preg.tar"))
    assert podman.run("localhost/app:1") == (0, "saved by podman")


def test_skopeo_reads_and_writes_the_same_layouts(preg: Preg, tmp_path: Path) -> None:
    layout = write_oci_layout(tmp_path / "layout", IMAGE, "1")
    skopeo("copy", f"oci:{layout}:1", f"oci-archive:{tmp_path}/skopeo.tar:localhost/app:1")
    skopeo("copy", f"oci:{layout}:1", f"docker-archive:{tmp_path}/docker.tar:localhost/app:2")
    assert loaded(preg, tmp_path / "skopeo.tar") == ["Loaded image: localhost/app:1"]
    assert loaded(preg, tmp_path / "docker.tar") == ["Loaded image: localhost/app:2"]
    assert loaded(preg, layout) == [f"Loaded image ID: {IMAGE.config_digest}"]
    preg.ok("save", "--format", "oci-dir", "-o", str(tmp_path / "preg"), "localhost/app:1")
    skopeo("copy", f"oci:{tmp_path}/preg:1", f"oci:{tmp_path}/copy:1")
    assert read_oci_layout(tmp_path / "copy") == {IMAGE.digest: IMAGE.manifest, **IMAGE.blobs}


def test_of_a_layout_for_several_platforms_the_wanted_is_loaded(preg: Preg, tmp_path: Path) -> None:
    index = multi_arch("layout")
    layout = write_oci_layout(tmp_path / "layout", index, "localhost/app:1")
    assert loaded(preg, layout) == ["Loaded image: localhost/app:1"]
    assert preg.ok("load", "-q", "--platform", "linux/riscv64", "-i", str(layout)) == "Loaded image: localhost/app:1\n"
    assert preg.ok("images", "-q", "--filter", "dangling=false") == f"{index.images[2].config_digest[7:19]}\n"
    assert "is not offered for linux/s390x" in preg.fails("load", "--platform", "linux/s390x", "-i", str(layout))


def test_links_of_an_archive_lead_to_its_own_files_only(preg: Preg, tmp_path: Path) -> None:
    """Old versions of docker write a layer that occurs twice as a symbolic link."""
    tar = IMAGE.tars[0]
    image = Image((tar, tar), {"Cmd": ["/none"]})
    listing = [{"Config": "config.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}]
    start = file(b"config.json", image.config) + file(b"manifest.json", json.dumps(listing).encode())
    layers = file(b"a/layer.tar", tar)
    for kind, target in ((SYM, b"../a/layer.tar"), (HARD, b"a/layer.tar")):
        path = tmp_path / "archive.tar"
        path.write_bytes(start + layers + header(b"b/layer.tar", kind, link=target) + END)
        assert loaded(preg, path) == [f"Loaded image ID: {image.config_digest}"]
    outside = tmp_path / "outside.tar"
    outside.write_bytes(tar)
    for target in (os.fsencode(outside), b"../../../" + os.fsencode(outside), b"b/layer.tar", b"layer.tar"):
        path.write_bytes(start + layers + header(b"b/layer.tar", SYM, link=target) + END)
        said = preg.fails("load", "-q", "-i", str(path))
        assert "lacks 'b/layer.tar'" in said or "leads out of the root" in said


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (b"", "holds no image"),
        (b"no archive" * 100, "is no whole archive"),
        (file(b"manifest.json", b"[") + END, "cannot be read"),
        (file(b"manifest.json", b"[]") + END, "holds no image"),
        (file(b"manifest.json", b'[{"Config":"../../etc/passwd","Layers":[]}]') + END, "lacks '../../etc/passwd'"),
        (file(b"manifest.json", b'[{"Config":"c","RepoTags":["A"]}]') + file(b"c", b"{}") + END, "as none can"),
        (file(b"manifest.json", b'[{"Config":"c","Layers":["x"]}]') + file(b"c", b"{}") + END, "lists 1 layers"),
        (file(b"../manifest.json", b"[]") + END, "leads out of the root"),
        (file(b"index.json", b"{}") + END, "schemaVersion"),
        (file(b"index.json", b'{"schemaVersion":2,"manifests":[{"digest":"../x","size":1}]}') + END, "digest"),
        (file(b"manifest.json", b"x" * 512)[:-100], "cut off"),
        (header(b"manifest.json", size=5 * 1024**2) + bytes(5 * 1024**2) + END, "more than"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-4], "cannot be unpacked"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_bad_archive_is_one_sentence(preg: Preg, tmp_path: Path, archive: bytes, said: str) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(archive)
    assert said in preg.fails("load", "-q", "-i", str(path))
    assert not list((preg.home / "new").iterdir())


def test_content_that_is_not_what_its_name_says_is_refused(preg: Preg, tmp_path: Path) -> None:
    layout = write_oci_layout(tmp_path / "layout", IMAGE, "localhost/app:1")
    for digest in (IMAGE.digest, IMAGE.config_digest, sha256(IMAGE.layers[1])):
        path = layout / "blobs/sha256" / digest[7:]
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + b" ")
        assert preg.run("load", "-q", "-i", str(layout)).returncode == 1
        path.unlink()
        path.symlink_to("/etc/passwd")
        assert "lacks" in preg.fails("load", "-q", "-i", str(layout))
        path.unlink()
        path.write_bytes(whole)
    assert preg.ok("images", "-q") == ""
    assert loaded(preg, layout) == ["Loaded image: localhost/app:1"]


PINNED = f"docker.io/library/pinned@{sha256(b'another image')}"


@pytest.mark.parametrize("annotation", ["io.containerd.image.name", "org.opencontainers.image.ref.name"])
def test_an_archive_does_not_decide_what_a_digest_stands_for(preg: Preg, tmp_path: Path, annotation: str) -> None:
    layout = write_oci_layout(tmp_path / "layout", IMAGE, "1")
    index = json.loads((layout / "index.json").read_text())

    def named(name: str) -> Path:
        index["manifests"][0]["annotations"] = {annotation: name}
        (layout / "index.json").write_text(json.dumps(index))
        return layout

    said = preg.fails("load", "-q", "-i", str(named(PINNED)))
    assert said == f"{PINNED} cannot be the name of this image, whose digest is {IMAGE.digest}"
    assert preg.ok("images", "-qa") == ""
    assert "there is no" in preg.fails("inspect", PINNED, status=1)
    own = f"pinned@{IMAGE.digest}"
    assert loaded(preg, named(own)) == [f"Loaded image: {own}"]
    assert preg.ok("images", "-q", "--no-trunc") == f"{IMAGE.config_digest}\n"


def test_docker_refuses_such_an_archive_too(docker: Docker, preg: Preg, tmp_path: Path) -> None:
    archive = write_docker_archive(tmp_path / "docker.tar", IMAGE, PINNED)
    assert "invalid tag" in docker.run("load", "-i", str(archive)).stderr
    assert "cannot be the name of this image" in preg.fails("load", "-q", "-i", str(archive))
    assert preg.ok("images", "-qa") == ""


def test_a_name_with_a_digest_outlives_that_the_image_is_compressed(
    server: Server, repository: str, preg: Preg, archive: Path, tmp_path: Path
) -> None:
    loaded(preg, archive)
    preg.ok("save", "--format", "oci-dir", "-o", str(tmp_path / "layout"), "saved:1")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    pinned = f"saved@{index['manifests'][0]['digest']}"
    index["manifests"][0]["annotations"] = {"io.containerd.image.name": pinned}
    (tmp_path / "layout/index.json").write_text(json.dumps(index))
    assert loaded(preg, tmp_path / "layout") == [f"Loaded image: {pinned}"]
    preg.ok("push", "saved:1", f"{server.address}/{repository}:1")
    preg.ok("prune", "-f")
    preg.ok("save", "--format", "oci-dir", "-o", str(tmp_path / "again"), pinned)
    (entry,) = json.loads((tmp_path / "again/index.json").read_text())["manifests"]
    assert entry["digest"] == pinned.partition("@")[2]


def test_an_image_is_pushed_by_a_tag_and_by_no_digest(preg: Preg, archive: Path) -> None:
    loaded(preg, archive)
    said = preg.fails("push", "saved:1", f"registry.test/saved:1@{IMAGE.digest}", status=2)
    assert "is pushed by a tag alone: name it as registry.test/saved:TAG" in said


@given(st.binary(max_size=2000))
def test_any_bytes_are_an_archive_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tar"
    path.write_bytes(content)
    with suppress(Fault):
        assert Tar(path, "it").find("manifest.json") is None


def test_saving_ends_with_a_whole_file_or_none(preg: Preg, archive: Path, tmp_path: Path) -> None:
    loaded(preg, archive)
    (preg.home / "content/sha256" / IMAGE.diff_ids[1][7:]).unlink()
    assert "is missing on this host" in preg.fails("save", "-o", str(tmp_path / "saved.tar"), "saved:1")
    assert [path.name for path in tmp_path.iterdir() if "saved" in path.name] == []
    assert "no image nothing" in preg.fails("save", "-o", str(tmp_path / "saved.tar"), "nothing")
    assert "--format is" in preg.fails("save", "--format", "zip", "saved:1", status=2)
    assert "name it with --output" in preg.fails("save", "--format", "oci-dir", "saved:1", status=2)


def test_an_archive_goes_through_a_pipe(preg: Preg, archive: Path) -> None:
    loaded(preg, archive)
    done = subprocess.run(preg.command("save", "saved:1"), env=preg.environ, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert {"index.json", "manifest.json", "oci-layout", "blobs", "blobs/sha256"} <= set(tar.getnames())
