"""The route table is the specification's, row by row, and each row says what its caller must be allowed to do."""

import pytest

from auth.action import Action
from registry.http import routes

DIGEST = "sha256:" + "0" * 64

# distribution-spec 1.1, "Endpoints", and upload cancel of 1.1+dev; end-4b, end-8b, end-11 and end-12b differ by query.
SPECIFIED = {
    ("GET", "/v2/"): Action.PING,  # end-1
    ("GET", f"/v2/a/b/blobs/{DIGEST}"): Action.PULL,  # end-2
    ("HEAD", f"/v2/a/b/blobs/{DIGEST}"): Action.PULL,
    ("GET", "/v2/a/b/manifests/tag"): Action.PULL,  # end-3
    ("HEAD", "/v2/a/b/manifests/tag"): Action.PULL,
    ("POST", "/v2/a/b/blobs/uploads/"): Action.PUSH,  # end-4a
    ("PATCH", "/v2/a/b/blobs/uploads/session"): Action.PUSH,  # end-5
    ("PUT", "/v2/a/b/blobs/uploads/session"): Action.PUSH,  # end-6
    ("PUT", "/v2/a/b/manifests/tag"): Action.PUSH,  # end-7
    ("GET", "/v2/a/b/tags/list"): Action.PULL,  # end-8a
    ("DELETE", "/v2/a/b/manifests/tag"): Action.DELETE,  # end-9
    ("DELETE", f"/v2/a/b/blobs/{DIGEST}"): Action.DELETE,  # end-10
    ("GET", f"/v2/a/b/referrers/{DIGEST}"): Action.PULL,  # end-12a
    ("GET", "/v2/a/b/blobs/uploads/session"): Action.PUSH,  # end-13
    ("DELETE", "/v2/a/b/blobs/uploads/session"): Action.PUSH,
}
# What clients ask for besides.
CUSTOMARY = {
    ("HEAD", "/v2/"): Action.PING,
    ("HEAD", "/v2/a/b/blobs/uploads/session"): Action.PUSH,
    ("GET", "/v2/_catalog"): Action.CATALOG,
}
ENDPOINTS = SPECIFIED | CUSTOMARY


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_an_endpoint_is_served_to_whom_it_may_concern(method: str, path: str) -> None:
    resource, _, _ = routes.find(path)
    assert resource in routes.RESOURCES
    assert routes.choose(resource, method).action is ENDPOINTS[method, path]


def test_nothing_else_is_served() -> None:
    served = [(number, method) for number, table in enumerate(routes.RESOURCES) for method in table]
    asked = {(routes.RESOURCES.index(routes.find(path)[0]), method) for method, path in ENDPOINTS}
    assert set(served) == asked
    assert len(served) == len(ENDPOINTS)


def test_every_resource_there_is_is_in_the_table() -> None:
    tables = [each for each in vars(routes).values() if isinstance(each, dict) and each.get("GET", each.get("POST"))]
    named = [table for table in tables if all(isinstance(route, routes.Route) for route in table.values())]
    assert sorted(map(id, named)) == sorted(map(id, routes.RESOURCES))
