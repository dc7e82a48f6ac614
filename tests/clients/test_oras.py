"""oras: artifacts that are not images, and what refers to what."""

import json
from pathlib import Path

from tests.parts import server as server_part
from tests.parts.images import data, multi_arch, push, read_oci_layout, write_oci_layout
from tests.parts.process import output
from tests.parts.required import required
from tests.parts.server import Server, mounts, uploads

PLAIN = "--plain-http"
BOTH_PLAIN = ("--from-plain-http", "--to-plain-http")
CONTENT = bytes(range(256)) * 4096


def oras(*arguments: str) -> str:
    """Run oras, which must succeed; its stdout."""
    return output(required("oras"), *arguments)


def push_file(name: str, folder: Path) -> None:
    """Push CONTENT as an artifact of one file called `file`."""
    (folder / "file").write_bytes(CONTENT)
    options = (PLAIN, "--disable-path-validation", "--artifact-type=application/vnd.tests.v1")
    oras("push", *options, name, f"{folder / 'file'}:application/octet-stream")


def attach(name: str, kind: str, folder: Path) -> None:
    """Attach a file that says `kind` to the artifact `name`."""
    (folder / kind).write_text(kind)
    file = f"{folder / kind}:text/plain"
    kind = f"application/vnd.tests.{kind}"
    oras("attach", PLAIN, "--disable-path-validation", f"--artifact-type={kind}", name, file)


def test_a_file_is_pushed_and_pulled_back(server: Server, repository: str, tmp_path: Path) -> None:
    name = f"{server.address}/{repository}:1"
    push_file(name, tmp_path)
    manifest = server.stored(repository, "1")
    assert manifest.json()["artifactType"] == "application/vnd.tests.v1"
    assert CONTENT in manifest.blobs.values()

    (tmp_path / "file").unlink()
    for source in (name, f"{server.address}/{repository}@{manifest.digest}"):
        oras("pull", PLAIN, "--allow-path-traversal", "--output", str(tmp_path), source)
        assert (tmp_path / "file").read_bytes() == CONTENT
        (tmp_path / "file").unlink()


def test_a_second_push_uploads_nothing(server: Server, repository: str, tmp_path: Path) -> None:
    index = multi_arch("again")
    layout = write_oci_layout(tmp_path / "in", index, "all")
    copy = ("cp", "--from-oci-layout", "--to-plain-http", f"{layout}:all")
    name = f"{server.address}/{repository}"
    oras(*copy, f"{name}:1")
    with server.recording() as requests:
        oras(*copy, f"{name}:1")
        oras(*copy, f"{name}:2")
    assert uploads(requests) == []
    assert server.stored(repository, "2").manifest == index.manifest


def test_a_copy_to_another_repository_mounts_the_blobs(server: Server, repository: str) -> None:
    image, name = data("mounted"), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    with server.recording() as requests:
        oras("cp", *BOTH_PLAIN, f"{name}:1", f"{name}-b:1")
    assert len(mounts(requests)) == len(image.blobs)
    assert server.stored(f"{repository}-b", "1") == server.stored(repository, "1")


def test_an_index_is_copied_into_a_folder_byte_for_byte(server: Server, repository: str, tmp_path: Path) -> None:
    index = multi_arch("folder")
    push(server, repository, "all", index)
    name = f"{server.address}/{repository}:all"
    oras("cp", "--from-plain-http", "--to-oci-layout", name, f"{tmp_path / 'out'}:all")
    layout = write_oci_layout(tmp_path / "wanted", index, "all")
    assert read_oci_layout(tmp_path / "out") == read_oci_layout(layout)


def test_referrers_are_listed_filtered_and_copied_with_their_subject(
    server: Server, repository: str, tmp_path: Path
) -> None:
    subject, name = data("subject", layers=1, size=10), f"{server.address}/{repository}:1"
    push(server, repository, "1", subject)
    attach(name, "signature", tmp_path)
    attach(name, "sbom", tmp_path)
    assert server.tags(repository) == ["1"], "oras has fallen back to a tag for the referrers"
    assert referrers(name) == {"application/vnd.tests.signature", "application/vnd.tests.sbom"}
    sbom = "application/vnd.tests.sbom"
    assert referrers(name, f"--artifact-type={sbom}") == {sbom}

    with server_part.serving(tmp_path / "other") as other:
        copied = f"{other.address}/copied:1"
        oras("cp", "--recursive", *BOTH_PLAIN, name, copied)
        assert referrers(copied) == referrers(name)
        assert other.stored("copied", "1") == server.stored(repository, "1")


def referrers(name: str, *options: str) -> set[str]:
    """The artifact types of what refers to `name`."""
    tree = json.loads(oras("discover", PLAIN, "--format=json", *options, name))
    return {each["artifactType"] for each in tree["referrers"]}


def test_delete_by_digest_removes_the_manifest(server: Server, repository: str) -> None:
    image, name = data("deleted", layers=1, size=10), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    oras("manifest", "delete", PLAIN, "--force", f"{name}@{image.digest}")
    assert server.tags(repository) == []
    assert server.status(repository, image.digest) == 404
