"""A server in this process that knows people, composed as `preg serve` does it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from auth.keys import ApiKeys
from auth.policy import DEFAULT, Policy
from registry import config
from registry.admission import open_admission
from registry.http.api import Api
from registry.http.server import HttpServer
from registry.state import open_state
from storage.drivers.folder import FolderDriver
from storage.guard import Guard
from storage.local import LocalNamespace
from tests.parts import accounts
from tests.registry.client import Client

MODES = ("htpasswd", "token")


@dataclass(frozen=True)
class Guarded(Client):
    """A client of such a server, and what is behind it."""

    api: Api
    store: Guard
    policy: Policy
    keys: ApiKeys

    async def token(self, headers: dict[str, str], *scopes: str) -> str:
        """A token of the server for these credentials."""
        query = "&".join(("service=preg", *(f"scope={scope}" for scope in scopes)))
        answer = await self.ask("GET", f"/token?{query}", headers=headers)
        assert answer.status == 200, answer
        return str(answer.json()["token"])

    async def kept(self) -> list[str]:
        """The keys of all that is stored."""
        return [info.key async for info in self.store.list("docker/")]


@contextlib.asynccontextmanager
async def guarded(folder: Path, mode: str, policy: str = accounts.POLICY, more: str = "") -> AsyncIterator[Guarded]:
    """Serve for the length of a `with`."""
    file = folder / "preg.toml"
    file.write_text(accounts.settings(folder, mode, policy) + more)
    settings = config.load(file, {}, {})
    store = Guard(FolderDriver(folder / "store"))
    admission = await open_admission(settings, store)
    api = Api(LocalNamespace(store), access=admission.access, beside=admission.beside)
    runner = web.ServerRunner(HttpServer(api, access_log=False), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        rules = Policy.read(Path(settings.auth.policy)) if policy else DEFAULT
        yield Guarded(runner.addresses[0][1], session, api, store, rules, ApiKeys(open_state(store)))
    await runner.cleanup()
    await store.aclose()
