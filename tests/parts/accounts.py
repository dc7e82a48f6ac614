"""People for a server's tests: their file, a policy about them, and the settings that name both."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from storage.oci.headers import parse_challenge
from tests.parts.wire import Answer, Wire

#: Everybody's password is the name with this behind it.
SECRET = "-s3cret"
#: Who there is, and in which groups.
PEOPLE = {"admin": "admins", "writer": "", "reader": "", "stranger": ""}

POLICY = """
[[rule]]
who = ["group:admins"]
repositories = ["**"]
actions = ["pull", "push", "delete", "catalog"]

[[rule]]
who = ["writer"]
repositories = ["team/**"]
actions = ["pull", "push"]

[[rule]]
who = ["reader", "writer"]
repositories = ["team/**"]
actions = ["pull", "catalog"]

[[rule]]
who = ["stranger"]
repositories = ["elsewhere/**"]
actions = ["pull", "push", "delete", "catalog"]

[[rule]]
who = ["anonymous"]
repositories = ["public/*"]
actions = ["pull"]
"""


def password(user: str) -> str:
    return f"{user}{SECRET}"


def basic(user: str, secret: str | None = None) -> dict[str, str]:
    """The header of a user with the right password, or with another one."""
    pair = f"{user}:{password(user) if secret is None else secret}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def settings(folder: Path, mode: str, policy: str = POLICY) -> str:
    """Write a file of users and a policy, if there is to be one, into ``folder``; settings in TOML that name them."""
    users, rules = folder / "users", folder / "policy.toml"
    users.write_text("".join(_line(name, groups) for name, groups in PEOPLE.items()))
    rules.write_text(policy)
    named = f'policy = "{rules}"\n' if policy else ""
    return f'[auth]\nmode = "{mode}"\nusers = "{users}"\n{named}'


def token(server: Wire, user: str, *scopes: str) -> str:
    """A token of the server for a user, anonymous if that is empty."""
    query = "&".join(f"scope={scope}" for scope in scopes)
    answer = server.ask("GET", f"/token?service=preg&{query}", headers=basic(user) if user else {})
    assert answer.status == 200, answer
    return str(answer.json()["token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Known(Wire):
    """HTTP as somebody who shows password or token when asked."""

    user: str = field(kw_only=True)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        first = super().ask(method, path, body, headers)
        challenge = parse_challenge(first.headers.get("WWW-Authenticate", ""))
        if first.status != 401 or challenge is None:
            return first
        scopes = challenge.parameters.get("scope", "").split()
        shown = basic(self.user)
        if challenge.scheme == "bearer":
            shown = bearer(token(Wire(self.url), self.user, *scopes))
        return super().ask(method, path, body, {**(headers or {}), **shown})


def _line(name: str, groups: str) -> str:
    # The least that bcrypt can do: no test is about its strength.
    hashed = bcrypt.hashpw(password(name).encode(), bcrypt.gensalt(4)).decode()
    return f"{name}:{hashed}:{groups}\n" if groups else f"{name}:{hashed}\n"
