"""Lists: tags, repositories, referrers (distribution-spec, "Content Discovery")."""

import re
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import hdrs

from registry.http.responses import JSON, document
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.errors import PaginationNumberInvalid
from storage.oci.headers import format_link
from storage.oci.manifest import Index, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from registry.http.call import Call

#: The longest page; who asks for more gets this and a link to the next.
PAGE: Final = 1000
_NUMBER: Final = re.compile(r"(?=[0-9])0*+([0-9]*)\Z")


async def tags(call: "Call") -> "web.StreamResponse":
    """Name the tags of a repository."""
    page, headers = await _page(call, call.repository.tags.list(call.parameter("last") or ""))
    return document(msgspec.json.encode({"name": call.name, "tags": page}), JSON, headers)


async def catalog(call: "Call") -> "web.StreamResponse":
    """Name the repositories that the caller may pull from."""
    page, headers = await _page(call, _listed(call, call.parameter("last") or ""))
    return document(msgspec.json.encode({"repositories": page}), JSON, headers)


async def referrers(call: "Call") -> "web.StreamResponse":
    """Describe what is attached to a manifest, be there such a manifest or not."""
    found, last = await call.repository.referrers.page(Digest(call.argument), call.parameter("last") or "")
    # A '+' of a media type often comes unescaped, which means a space.
    wanted = [kind.replace(" ", "+") for kind in call.parameters("artifactType") if kind]
    headers = {}
    if wanted:
        found = [descriptor for descriptor in found if descriptor.artifact_type in wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    if last:
        headers[hdrs.LINK] = format_link(call.path, {"last": last, "artifactType": wanted})
    return document(encode(Index(manifests=found)), media.OCI_INDEX, headers)


async def _listed(call: "Call", start_after: str) -> "AsyncIterator[str]":
    async for name in call.api.namespace.repositories(start_after):
        if call.api.access.lists(call.caller, name):
            yield name


async def _page(call: "Call", names: "AsyncIterator[str]") -> tuple[list[str], dict[str, str]]:
    """Take one page of names, and the link to the next page if there is one."""
    size = _page_size(call)
    page: list[str] = []
    async for name in names:
        if len(page) == size:
            if page:
                return page, {hdrs.LINK: format_link(call.path, {"last": page[-1], "n": size})}
            break
        page.append(name)
    return page, {}


def _page_size(call: "Call") -> int:
    text = call.parameter("n")
    if text is None:
        return PAGE
    number = _NUMBER.match(text)
    if number is None:
        raise PaginationNumberInvalid(detail={"n": text[:100]})
    # Nine digits of any more say as well that it is too many.
    return min(int(number[1][:9] or "0"), PAGE)
