"""``preg manifest inspect``: show what a registry has of an image, without fetching it."""

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from runtime import config
from runtime.cli.options import Option, Options, Usage
from runtime.cli.registries import ACCESS_OPTIONS, fetch_from, open_registries, resolve
from runtime.pull import read_config
from storage.oci import media

if TYPE_CHECKING:
    from storage.oci.manifest import Manifest
    from storage.oci.reference import Reference
    from storage.remote.client import RemoteNamespace, RemoteRepository

_INSECURE: Final = Option("--insecure", "As --tls-verify=false")
USAGE: Final = Usage(
    "manifest inspect [OPTION...] IMAGE",
    "Show the manifest of an image, or the index of its platforms, as its registry has it. Nothing is fetched.",
    (
        Option("--verbose", "Show each manifest of an index, with its digest, size and platform", short="-v"),
        _INSECURE,
        *ACCESS_OPTIONS,
    ),
    notes="""
Examples:
  preg manifest inspect localhost:5000/team/app:1
  preg manifest inspect -v localhost:5000/team/app:1
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    if _INSECURE.name in options:
        options.add("--tls-verify", "false")
    here = config.load()
    reference = resolve(here, options.operands[0])
    sys.stdout.write(f"{fetch_from(here, open_registries(here, options), reference, _asker(options))}\n")
    return 0


def _asker(options: Options) -> "Any":
    async def ask(namespace: "RemoteNamespace", there: "Reference") -> str:
        repository = namespace.repository(there.name)
        manifest = await repository.manifests.get(there.target)
        if "--verbose" not in options:
            return _indent(json.loads(manifest.raw))
        if not manifest.is_index:
            return _indent(await _describe(repository, there, manifest))
        members = [await repository.manifests.get(child.digest) for child in manifest.children]
        return _indent([await _describe(repository, there, member, manifest) for member in members])

    return ask


async def _describe(
    repository: "RemoteRepository", there: "Reference", manifest: "Manifest", index: "Manifest | None" = None
) -> dict[str, Any]:
    """Tell of a manifest what docker tells; its platform is what an index says, or else its configuration."""
    name = str(there) if index is None else str(there._replace(digest=manifest.digest))
    descriptor: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.raw),
    }
    if platform := await _platform(repository, manifest, index):
        descriptor["platform"] = platform
    kind = "OCIManifest" if manifest.media_type in (media.OCI_MANIFEST, media.OCI_INDEX) else "SchemaV2Manifest"
    return {"Ref": name, "Descriptor": descriptor, kind: json.loads(manifest.raw)}


async def _platform(
    repository: "RemoteRepository", manifest: "Manifest", index: "Manifest | None"
) -> dict[str, Any] | None:
    if index is not None:
        entries = json.loads(index.raw)["manifests"]
        return next((entry.get("platform") for entry in entries if entry.get("digest") == manifest.digest), None)
    if manifest.config is None or not media.is_image_config(manifest.config.media_type):
        return None
    config = json.loads(await read_config(repository, manifest.config))
    return {key: config[key] for key in ("architecture", "os", "variant") if config.get(key)}


def _indent(document: object) -> str:
    return json.dumps(document, indent="\t", ensure_ascii=False)
