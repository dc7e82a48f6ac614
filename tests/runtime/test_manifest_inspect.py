"""Manifests as registries have them, shown as docker shows them."""

import json

from tests.parts.docker import Docker
from tests.parts.images import busybox, data, multi_arch, push
from tests.parts.server import Server
from tests.parts.wire import sha256
from tests.runtime.conftest import Preg


def test_a_manifest_is_shown_byte_for_byte_but_for_its_form(server: Server, repository: str, preg: Preg) -> None:
    image, name = data("shown", layers=2, size=100), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    with server.recording() as requests:
        shown = preg.ok("manifest", "inspect", f"{name}:1")
    assert [each.method for each in requests] == ["GET"]
    assert list(json.loads(shown).items()) == list(json.loads(image.manifest).items())
    assert preg.ok("manifest", "inspect", f"{name}@{image.digest}") == shown
    index = multi_arch("shown")
    push(server, repository, "all", index)
    assert json.loads(preg.ok("manifest", "inspect", f"{name}:all")) == json.loads(index.manifest)
    assert preg.ok("images", "-q") == ""


def test_docker_says_the_same_of_it(server: Server, repository: str, preg: Preg, docker: Docker) -> None:
    image, index, name = busybox("shown"), multi_arch("same"), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    push(server, repository, "all", index)
    shown = docker("manifest", "inspect", "--insecure", f"{name}:1")
    assert preg.ok("manifest", "inspect", f"{name}:1").rstrip("\n") == shown
    for tag in ("1", "all"):
        ours = json.loads(preg.ok("manifest", "inspect", "-v", f"{name}:{tag}"))
        theirs = json.loads(docker("manifest", "inspect", "--insecure", "-v", f"{name}:{tag}"))
        for mine, other in zip(ours, theirs, strict=True) if tag == "all" else [(ours, theirs)]:
            other.pop("Raw", None)
            assert mine == other


def test_what_is_attached_has_no_platform(server: Server, repository: str, preg: Preg) -> None:
    empty = b"{}"
    server.push_blob(repository, empty)
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(empty), "size": 2}
    kind = "application/vnd.oci.image.manifest.v1+json"
    document = {"schemaVersion": 2, "mediaType": kind, "artifactType": "a/b", "config": config, "layers": [config]}
    server.push_manifest(repository, "attached", json.dumps(document).encode(), kind)
    shown = json.loads(preg.ok("manifest", "inspect", "-v", f"{server.address}/{repository}:attached"))
    assert shown["OCIManifest"] == document
    assert "platform" not in shown["Descriptor"]


def test_what_is_not_there_is_told(server: Server, repository: str, preg: Preg) -> None:
    push(server, repository, "1", data("there", layers=1, size=10))
    assert "has no tag 2" in preg.fails("manifest", "inspect", f"{server.address}/{repository}:2")
    assert "is no name of an image" in preg.fails("manifest", "inspect", "UPPER", status=2)
