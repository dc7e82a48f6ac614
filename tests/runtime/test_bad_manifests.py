"""Registries that answer with what is no image: one sentence, and nothing of it is kept."""

import json
from collections.abc import Callable

import pytest

from tests.parts.fault_proxy import Call, faulty
from tests.parts.images import INDEX, MANIFEST, Image, data, push
from tests.parts.required import required
from tests.parts.server import Server
from tests.parts.wire import sha256
from tests.runtime.conftest import Preg


class Forged:
    """A registry that answers with what no honest one would: the manifest of an image, and its configuration."""

    def __init__(self, server: Server, image: Image, repository: str) -> None:
        self.image, self.manifest, self.config = image, json.loads(image.manifest), json.loads(image.config)
        self.kind, self.raw = MANIFEST, b""
        self.missing = self.other = ""
        """The digests of blobs that it does not have, and for which it has others."""
        push(server, repository, "1", image)

    def pack(self) -> None:
        """Write down what was changed of the configuration, and describe it in the manifest."""
        content = json.dumps(self.config).encode()
        self.manifest["config"] |= {"digest": sha256(content), "size": len(content)}

    def __call__(self, call: Call) -> None:
        path = call.head.split(b" ")[1].decode()
        wanted = path.rpartition("/")[2]
        config = json.dumps(self.config).encode()
        if "/manifests/" in path:
            raw = self.raw or json.dumps(self.manifest).encode()
            answer(call, raw, self.kind)
        elif wanted == self.missing:
            call.answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        elif wanted == self.other:
            answer(call, b"x" * len(self.image.blobs[wanted]), "application/octet-stream")
        elif wanted == sha256(config):
            answer(call, config, "application/octet-stream")
        else:
            call.answer(*call.forward())


def answer(call: Call, body: bytes, kind: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    call.answer(head.encode(), b"" if call.head.startswith(b"HEAD ") else body)


Forgery = Callable[[Forged], None]
FORGERIES: dict[str, tuple[Forgery, str]] = {}


def forgery(said: str) -> Callable[[Forgery], Forgery]:
    def note(forge: Forgery) -> Forgery:
        FORGERIES[forge.__name__.removeprefix("forge_")] = forge, said
        return forge

    return note


@forgery("is no manifest: the manifest cannot be read: JSON is malformed")
def forge_nothing_but_noise(forged: Forged) -> None:
    forged.raw = b"\xff\x00 no JSON"


@forgery("is no manifest: the manifest cannot be read: Expected `object`, got `array`")
def forge_a_list(forged: Forged) -> None:
    forged.raw = b"[]"


@forgery("is not a registry: it answers")
def forge_a_page_of_html(forged: Forged) -> None:
    forged.raw, forged.kind = b"<html>log in</html>", "text/html"


@forgery("is no manifest: the manifest cannot be read")
def forge_deep_nesting(forged: Forged) -> None:
    forged.raw = b"[" * 100_000


@forgery("is no manifest: the Content-Type says")
def forge_another_type_than_it_states(forged: Forged) -> None:
    forged.manifest["mediaType"] = INDEX


@forgery("manifest.v1+prettyjws' is not a manifest type")
def forge_the_first_schema(forged: Forged) -> None:
    forged.manifest = {"schemaVersion": 1, "name": "a", "tag": "1", "fsLayers": [], "history": []}
    forged.kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@forgery("is no manifest: an image manifest has a 'config' and 'layers'")
def forge_no_configuration(forged: Forged) -> None:
    del forged.manifest["config"]


@forgery("Expected `array | null`, got `object` - at `$.layers`")
def forge_layers_that_are_no_list(forged: Forged) -> None:
    forged.manifest["layers"] = {"0": forged.manifest["layers"][0]}


@forgery("not a digest of the form sha256:<64 hex>")
def forge_a_digest_that_is_none(forged: Forged) -> None:
    forged.manifest["layers"][0]["digest"] = "sha256:../../etc/passwd"


@forgery("'layers' stands there twice")
def forge_two_images_in_one(forged: Forged) -> None:
    forged.raw = json.dumps(forged.manifest).replace('{"', '{"layers": [], "', 1).encode()


@forgery("'Config' could be read as 'config'")
def forge_a_second_image_for_docker(forged: Forged) -> None:
    forged.manifest["Config"] = forged.manifest["config"]


@forgery("at `$.layers[0].size`")
def forge_a_negative_size(forged: Forged) -> None:
    forged.manifest["layers"][0]["size"] = -1


@forgery("has 3 layers, and its configuration lists 2")
def forge_one_layer_more_than_configured(forged: Forged) -> None:
    forged.manifest["layers"].append(forged.manifest["layers"][0])


@forgery("has 1 layers, and its configuration lists 2")
def forge_one_layer_less_than_configured(forged: Forged) -> None:
    forged.manifest["layers"].pop()


@forgery("bytes, and its manifest says")
def forge_a_layer_of_another_size(forged: Forged) -> None:
    forged.manifest["layers"][0]["size"] += 1


@forgery("archive is damaged")
def forge_a_layer_of_an_unknown_kind(forged: Forged) -> None:
    forged.manifest["layers"][0]["mediaType"] = "application/vnd.example.encrypted"
    forged.other = forged.manifest["layers"][0]["digest"]


@forgery("holds no blob sha256:")
def forge_a_layer_that_is_missing(forged: Forged) -> None:
    forged.missing = forged.manifest["layers"][1]["digest"]


@forgery("archive is damaged")
def forge_a_layer_with_other_content(forged: Forged) -> None:
    forged.other = forged.manifest["layers"][1]["digest"]


@forgery("holds no blob sha256:")
def forge_a_configuration_that_is_missing(forged: Forged) -> None:
    forged.missing = forged.manifest["config"]["digest"]


@forgery("the registry sent something else as configuration sha256:")
def forge_a_configuration_with_other_content(forged: Forged) -> None:
    forged.other = forged.manifest["config"]["digest"]


@forgery("a configuration of 1099511627776 bytes: too much")
def forge_a_configuration_that_is_too_large(forged: Forged) -> None:
    forged.manifest["config"]["size"] = 1 << 40


@forgery("cannot be read: config: Env: expected a list, got a string")
def forge_a_configuration_of_wrong_types(forged: Forged) -> None:
    forged.config["config"]["Env"] = "PATH=/bin"
    forged.pack()


@forgery("cannot be read: rootfs: diff_ids: not a digest")
def forge_a_configuration_with_layers_that_are_no_digests(forged: Forged) -> None:
    forged.config["rootfs"]["diff_ids"] = ["../../../etc", "/"]
    forged.pack()


@forgery("has 2 layers, and its configuration lists 0")
def forge_a_configuration_without_layers(forged: Forged) -> None:
    del forged.config["rootfs"]
    forged.pack()


@pytest.mark.parametrize("name", FORGERIES)
def test_a_bad_manifest_is_one_sentence_and_leaves_nothing(
    server: Server, repository: str, preg: Preg, name: str
) -> None:
    required("crun")  # or 'preg system check' complains
    forge, said = FORGERIES[name]
    forged = Forged(server, data(name, layers=2, size=2000), repository)
    forge(forged)
    with faulty(server.url) as proxy:
        proxy.plan(forged)
        sentence = preg.fails("pull", "-q", f"{proxy.endpoint.removeprefix('http://')}/{repository}:1")
    assert said in sentence
    assert list(preg.home.glob("images/*")) == list(preg.home.glob("references/*")) == []
    assert preg.ok("system", "check") == "all is well\n"
