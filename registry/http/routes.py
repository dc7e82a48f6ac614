"""The route table of ``/v2/``: which handler answers what, and the permission it needs."""

from typing import TYPE_CHECKING, Final, NamedTuple

from auth.action import Action
from registry.http import blobs, listings, manifests, uploads
from registry.http.responses import JSON, document
from storage.oci.errors import RouteUnknown, Unsupported

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from registry.http.call import Call


class Route(NamedTuple):
    """What answers a method on a resource, and what its caller must be allowed to do; None if that is not asked."""

    handler: "Callable[[Call], Awaitable[web.StreamResponse]]"
    action: Action | None


async def ping(_: "Call") -> "web.StreamResponse":
    """Say that this is a registry (distribution-spec, "Determining Support")."""
    return document(b"{}", JSON)


PING: Final = {"GET": Route(ping, Action.PING), "HEAD": Route(ping, Action.PING)}
CATALOG: Final = {"GET": Route(listings.catalog, Action.CATALOG)}
TAGS: Final = {"GET": Route(listings.tags, Action.PULL)}
REFERRERS: Final = {"GET": Route(listings.referrers, Action.PULL)}
MANIFEST: Final = {
    "GET": Route(manifests.get, Action.PULL),
    "HEAD": Route(manifests.head, Action.PULL),
    "PUT": Route(manifests.put, Action.PUSH),
    "DELETE": Route(manifests.delete, Action.DELETE),
}
BLOB: Final = {
    "GET": Route(blobs.get, Action.PULL),
    "HEAD": Route(blobs.head, Action.PULL),
    "DELETE": Route(blobs.delete, Action.DELETE),
}
UPLOADS: Final = {"POST": Route(uploads.start, Action.PUSH)}
#: Clients cancel with the rights they push with, so that is what cancelling needs.
UPLOAD: Final = {
    "GET": Route(uploads.status, Action.PUSH),
    "HEAD": Route(uploads.status, Action.PUSH),
    "PATCH": Route(uploads.append, Action.PUSH),
    "PUT": Route(uploads.finish, Action.PUSH),
    "DELETE": Route(uploads.cancel, Action.PUSH),
}

#: All resources, for the test that holds the table to the specification.
RESOURCES: Final = (PING, CATALOG, TAGS, REFERRERS, MANIFEST, BLOB, UPLOADS, UPLOAD)


def find(path: str) -> tuple[dict[str, Route], str | None, str]:
    """Tell which resource a decoded path means, in which repository if in one, and the last part of the path.

    A repository's name may contain every word of the paths, so what counts is the end of the path. Raises RouteUnknown.
    """
    if path in ("/v2/", "/v2"):
        return PING, None, ""
    if path.startswith("/v2/"):
        head, _, last = path.rpartition("/")
        name, _, word = head[4:].rpartition("/")
        if word == "manifests" and name:
            return MANIFEST, name, last
        if word == "blobs" and name:
            return (UPLOADS, name, "") if last == "uploads" else (BLOB, name, last)
        if word == "uploads" and name.endswith("/blobs"):
            return (UPLOAD, name[:-6], last) if last else (UPLOADS, name[:-6], "")
        if word == "tags" and last == "list" and name:
            return TAGS, name, ""
        if word == "referrers" and name:
            return REFERRERS, name, last
        if path == "/v2/_catalog":
            return CATALOG, None, ""
    raise RouteUnknown(detail={"path": path[:300]})


def choose(resource: dict[str, Route], method: str) -> Route:
    """Pick the route for a method. Raises Unsupported, which says what is offered instead."""
    route = resource.get(method)
    if route is None:
        raise Unsupported(f"{method[:20]} is not offered here", tuple(resource))
    return route
