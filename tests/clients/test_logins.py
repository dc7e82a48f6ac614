"""Other people's clients at a server that knows people: who gets in, who may do what, and what the others are told."""

import base64
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.parts import accounts, clients
from tests.parts import server as server_part
from tests.parts.accounts import Known, password
from tests.parts.clients import Client, Done
from tests.parts.containerd import containerd
from tests.parts.images import data, push
from tests.parts.server import Server, mounts
from tests.runtime.conftest import Preg

CLIENTS = ("docker", "ctr", "preg", *clients.PLAIN)
CASES = [
    *(("token", client) for client in CLIENTS),
    *(("htpasswd", client) for client in ("docker", "podman", "skopeo", "preg")),
]
Start = Callable[[str], Client]


@pytest.fixture(scope="module")
def mode(request: pytest.FixtureRequest) -> str:
    """The way to know people that the test names."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows the people of ``tests.parts.accounts``."""
    folder = tmp_path_factory.mktemp(mode)
    config = folder / "preg.toml"
    # Commands beside the server read there where its store is.
    config.write_text(f'[storage]\nurl = "{folder / "storage"}"\n' + accounts.settings(folder, mode))
    with server_part.serving(folder / "storage", config) as running:
        yield running


@pytest.fixture
def start(server: Server, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start a client by name, where nobody has logged in yet."""
    with ExitStack() as stack:

        def start_client(name: str) -> Client:
            # containerd's sockets want a short path, and podman refuses a long one.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"preg-{name}-")))
            if name == "docker":
                return clients.Docker(server.address, folder, request.getfixturevalue("docker"))
            if name == "ctr":
                return clients.Ctr(server.address, folder, stack.enter_context(containerd(folder)))
            if name == "preg":
                return clients.OurOwn(server.address, folder, request.getfixturevalue("published"))
            return clients.PLAIN[name](server.address, folder)

        yield start_client


@pytest.fixture
def client(start: Start, request: pytest.FixtureRequest) -> Client:
    """The client that the test names."""
    return start(request.param)


@pytest.fixture(scope="module")
def published(server: Server) -> str:
    """An image that everybody may pull."""
    push(as_admin(server), "public/base", "1", data("published", layers=2, size=1000))
    return f"{server.address}/public/base:1"


#: What clients say, each in words of its own, to who is not known, and to who is known and may not do this.
#: ctr 1.6 may lose the answer to a push that it has begun to send: it tells then of a closed pipe.
WRONG = r"unauthorized|invalid username/password|is wrong"
FORBIDDEN = r"denied|not allow|may not push|403 \(?Forbidden|unauthorized|insufficient_scope|closed pipe"
UNKNOWN = rf"{FORBIDDEN}|authentication required|no basic auth credentials|credential not found|preg login"


def done(result: Done) -> str:
    """All that a client said, which must have succeeded."""
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def refused(result: Done, words: str) -> None:
    """A client must have failed, and have told why in such words and no worse."""
    said = result.stdout + result.stderr
    assert result.returncode != 0, said
    assert re.search(words, said, re.IGNORECASE), said
    assert not re.search(r"Traceback|panic|status 5\d\d|\b50[0-9] ", said), said


def as_admin(server: Server) -> Known:
    return Known(server.url, user="admin")


def repository_in(space: str, repository: str) -> str:
    return f"{space}/{repository.removeprefix('tests/')}"


@pytest.mark.parametrize(("mode", "client"), CASES, indirect=True)
def test_who_has_logged_in_pushes_and_pulls_until_he_logs_out(client: Client, server: Server, repository: str) -> None:
    target = repository_in("team", repository)
    image = f"{server.address}/{target}:1.0.0"
    done(client.log_in("writer", password("writer")))
    done(client.push(image))
    assert as_admin(server).stored(target, "1.0.0").blobs
    done(client.pull(image))

    done(client.log_out())
    refused(client.pull(image), UNKNOWN)
    refused(client.push(image.replace("1.0.0", "2.0.0")), UNKNOWN)
    assert as_admin(server).tags(target) == ["1.0.0"]


@pytest.mark.parametrize(("mode", "client"), CASES, indirect=True)
def test_a_wrong_password_lets_nobody_in(client: Client, server: Server, repository: str) -> None:
    target = repository_in("team", repository)
    login = client.log_in("writer", "guess-it")
    result = login if client.tries_login else client.pull(f"{server.address}/{target}:1.0.0")
    refused(result, WRONG)
    assert "guess-it" not in result.stdout + result.stderr


@pytest.mark.parametrize(("mode", "client"), CASES, indirect=True)
def test_who_may_only_pull_pulls_and_cannot_push(client: Client, server: Server, repository: str) -> None:
    target = repository_in("team", repository)
    image = f"{server.address}/{target}:1.0.0"
    done(client.log_in("writer", password("writer")))
    done(client.push(image))
    done(client.log_in("reader", password("reader")))
    done(client.pull(image))
    refused(client.push(image.replace("1.0.0", "2.0.0")), FORBIDDEN)
    assert as_admin(server).tags(target) == ["1.0.0"]


@pytest.mark.parametrize(("mode", "client"), CASES, indirect=True)
def test_who_has_not_logged_in_pulls_what_is_for_everybody(
    client: Client, server: Server, mode: str, repository: str
) -> None:
    target = repository_in("public", repository)
    image = f"{server.address}/{target}:1.0.0"
    done(client.log_in("admin", password("admin")))
    done(client.push(image))
    done(client.log_out())
    if mode == "htpasswd" and isinstance(client, clients.Docker):
        # The engine asks for a password at once when it is offered a Basic challenge.
        refused(client.pull(image), UNKNOWN)
    else:
        done(client.pull(image))
    refused(client.push(image.replace("1.0.0", "2.0.0")), UNKNOWN)
    assert as_admin(server).tags(target) == ["1.0.0"]


@pytest.mark.parametrize("mode", ["token", "htpasswd"], indirect=True)
@pytest.mark.parametrize("client", ["docker", "podman", "ctr"], indirect=True)
def test_a_layer_is_mounted_only_where_its_repository_may_be_read(
    client: Client, server: Server, repository: str
) -> None:
    source, target = repository_in("elsewhere", repository), repository_in("team", repository)
    done(client.log_in("stranger", password("stranger")))
    done(client.push(f"{server.address}/{source}:1.0.0"))
    # ctr remembers where it has layers from, not where it has sent them.
    done(client.pull(f"{server.address}/{source}:1.0.0"))

    done(client.log_in("writer", password("writer")))
    with server.recording() as requests:
        done(client.push(f"{server.address}/{target}:1.0.0"))
    assert mounts(requests) == []
    assert as_admin(server).stored(target, "1.0.0").blobs
    refused(client.push(f"{server.address}/{source}-b:1.0.0"), FORBIDDEN)
    assert as_admin(server).tags(f"{source}-b") == []

    done(client.log_in("admin", password("admin")))
    with server.recording() as requests:
        done(client.push(f"{server.address}/{target}-b:1.0.0"))
    assert len(mounts(requests)) >= len(client.image.layers)


@pytest.mark.parametrize("mode", ["token"], indirect=True)
@pytest.mark.parametrize("client", ["docker", "preg"], indirect=True)
def test_an_identity_token_is_kept_instead_of_the_password_until_it_is_revoked(
    client: Client, server: Server, repository: str
) -> None:
    image = f"{server.address}/{repository_in('team', repository)}:1.0.0"
    done(client.log_in("writer", password("writer")))
    config = next(client.folder.rglob("config.json"))
    (kept,) = json.loads(config.read_text())["auths"].values()
    assert base64.b64decode(kept["auth"]) == b"writer:"
    assert kept["identitytoken"]
    done(client.push(image))
    done(client.pull(image))

    preg = Preg(client.folder)
    preg.ok("user", "revoke", "--config", str(server.storage.with_name("preg.toml")), "writer")
    refused(client.pull(image), r"unauthorized|expired or was revoked: run preg login again")
    done(client.log_in("writer", password("writer")))
    done(client.pull(image))
