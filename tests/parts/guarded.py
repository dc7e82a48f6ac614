"""A registry that gives one image to those who log in, and what it was asked; made to be bent into any shape."""

import asyncio
import base64
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.parts.images import MANIFEST, Image
from tests.parts.wire import sha256

USER, PASSWORD = "alice", "s3cret"


class Guarded:
    """A registry that wants a token, and the server that gives one to alice; ``asked`` is what it was asked for.

    With ``challenge`` set to Basic it takes her password itself.
    """

    def __init__(self, image: Image) -> None:
        self.asked: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.identity_tokens: set[str] = set()
        self.life = 300
        self.methods = {"GET", "POST"}
        self.wait_for = 1
        """So many requests are refused at once: those that come first wait for the others."""
        self._waiting = 0
        self._gathered = asyncio.Event()
        self.challenge = 'Bearer realm="{url}/token",service="reg,istry",scope="ignored"'
        self._contents = {image.digest: image.manifest, **image.blobs}
        self._image = image
        application = web.Application()
        application.router.add_route("*", "/token", self.token)
        application.router.add_route("*", "/moved", self.moved)
        application.router.add_route("*", "/v2/{path:.*}", self.registry)
        self.server = TestServer(application, host="127.0.0.1")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def token(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        scopes = request.query.getall("scope", [])
        shown = request.headers.get("Authorization", "")
        self.asked.append({"method": request.method, "scopes": scopes, "shown": shown, "form": form, **request.query})
        if request.method not in self.methods:
            return web.Response(status=405)
        if not self._good(form, shown):
            return web.json_response({"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}, status=401)
        token = f"token-{len(self.asked)}"
        self.tokens.add(token)
        answer = {"access_token": token, "expires_in": self.life}
        if "offline" in (form.get("access_type"), "offline" if "offline_token" in request.query else ""):
            answer["refresh_token"] = f"identity-{len(self.asked)}"
            self.identity_tokens.add(answer["refresh_token"])
        return web.json_response(answer)

    async def moved(self, _: web.Request) -> web.Response:
        """Send on to the token server."""
        raise web.HTTPTemporaryRedirect("/token")

    def _good(self, form: dict[str, Any], shown: str) -> bool:
        if form.get("grant_type") == "refresh_token":
            return form["refresh_token"] in self.identity_tokens
        if form.get("grant_type") == "password":
            return (form["username"], form["password"]) == (USER, PASSWORD)
        return shown in ("", basic(USER, PASSWORD))

    async def registry(self, request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "")
        bearer = self.challenge.startswith("Bearer")
        if not (shown.removeprefix("Bearer ") in self.tokens if bearer else shown == basic(USER, PASSWORD)):
            challenge = self.challenge.format(url=f"http://{self.address}")
            await self._gather()
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        if not request.match_info["path"]:
            return web.json_response({})
        content = self._contents.get(request.path.rpartition("/")[2], self._image.manifest)
        kind = MANIFEST if "/manifests/" in request.path else "application/octet-stream"
        return web.Response(body=content, content_type=kind, headers={"Docker-Content-Digest": sha256(content)})

    async def _gather(self) -> None:
        self._waiting += 1
        gathered = self._gathered
        if self._waiting == self.wait_for:
            self._waiting, self._gathered = 0, asyncio.Event()
            gathered.set()
        await gathered.wait()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
