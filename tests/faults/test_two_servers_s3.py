"""Two servers over one bucket: each serves at once what the other took, and goes on where the other died."""

import http.client
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.pushing import Acknowledged, Push
from tests.parts import images
from tests.parts import server as server_part
from tests.parts.containers import skopeo
from tests.parts.docker import Docker
from tests.parts.gate import gate
from tests.parts.images import read_oci_layout, write_oci_layout
from tests.parts.seaweed import Seaweed, seaweed
from tests.parts.server import Server
from tests.parts.wire import sha256

MIB = 1 << 20
REPOSITORY = "shared/app"


@pytest.fixture(scope="module")
def store_server() -> Iterator[Seaweed]:
    with seaweed() as running:
        yield running


@pytest.fixture
def servers(store_server: Seaweed) -> Iterator[tuple[Server, Server]]:
    """Two servers over an empty bucket; each may be killed."""
    url = store_server.url(part_size=str(5 * MIB))
    with ExitStack() as stack:
        pair = (server_part.start(url), server_part.start(url))
        for server in pair:
            stack.callback(server.process.kill)
        yield pair


def test_what_is_pushed_to_one_is_pulled_from_the_other(servers: tuple[Server, Server], tmp_path: Path) -> None:
    one, other = servers
    image = images.data("shared", layers=3, size=6 * MIB)
    assert other.status(REPOSITORY, "v1") == 404
    layout = write_oci_layout(tmp_path / "pushed", image, "v1")
    skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}:v1", f"docker://{one.address}/{REPOSITORY}:v1")
    assert pulled(other, "v1", tmp_path / "pulled") == {**image.blobs, image.digest: image.manifest}
    assert other.tags(REPOSITORY) == ["v1"]
    moved = images.data("moved", layers=1, size=10)
    images.push(other, REPOSITORY, "v1", moved)
    # Neither may remember what the tag pointed to.
    assert one.stored(REPOSITORY, "v1").digest == moved.digest
    deleted = other.ask("DELETE", f"/v2/{REPOSITORY}/manifests/{moved.digest}")
    assert deleted.status == 202, deleted
    assert one.status(REPOSITORY, "v1") == one.status(REPOSITORY, moved.digest) == 404
    assert one.stored(REPOSITORY, image.digest).manifest == image.manifest


def test_one_serves_while_docker_pushes_through_the_other_and_then_what_was_pushed(
    docker: Docker, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    one, other = servers
    old, new = images.data("old", layers=3, size=6 * MIB), images.data("new", layers=3, size=7 * MIB)
    images.push(one, REPOSITORY, "old", old)
    with ThreadPoolExecutor(1) as pool, gate(one.address, 10 * MIB) as way:
        docker.load(new, f"{way.address}/{REPOSITORY}:new")
        pushing = pool.submit(docker, "push", f"{way.address}/{REPOSITORY}:new")
        way.wait_until_closed()
        # A push that is half there is in nobody's way, and nobody sees it.
        assert pulled(other, "old", tmp_path / "meanwhile") == {**old.blobs, old.digest: old.manifest}
        assert other.tags(REPOSITORY) == ["old"]
        assert other.status(REPOSITORY, "new") == 404
        way.open()
        assert pulled(other, "old", tmp_path / "then") == {**old.blobs, old.digest: old.manifest}
        pushing.result()
    stored = other.stored(REPOSITORY, "new")
    assert stored.blobs[new.config_digest] == new.config
    assert stored.plain_layers() == list(new.tars)
    assert stored == one.stored(REPOSITORY, "new")
    assert other.tags(REPOSITORY) == ["new", "old"]


def pulled(server: Server, tag: str, folder: Path) -> dict[str, bytes]:
    """What skopeo pulls."""
    skopeo("copy", "--src-tls-verify=false", f"docker://{server.address}/{REPOSITORY}:{tag}", f"oci:{folder}:{tag}")
    return read_oci_layout(folder)


def test_pushes_through_both_at_once_are_served_by_both(servers: tuple[Server, Server]) -> None:
    # Some share a seed, so the same blobs come through both servers at the same moment.
    pushes = [Push(f"both {n // 2}", REPOSITORY, f"tag-{n}") for n in range(6)]
    acknowledged = [Acknowledged() for _ in pushes]
    with ThreadPoolExecutor(len(pushes)) as pool:
        list(pool.map(lambda n: pushes[n].run(servers[n % 2], acknowledged[n]), range(len(pushes))))
    for server in servers:
        assert set(server.tags(REPOSITORY)) == {"latest", *(f"tag-{n}" for n in range(len(pushes)))}
        digest = server.stored(REPOSITORY, "latest").digest
        assert digest in {push.image.digest for push in pushes}
        for n, push in enumerate(pushes):
            assert server.stored(REPOSITORY, f"tag-{n}").digest == push.image.digest


@pytest.mark.parametrize("sizes", [(10, 20), (3 * MIB, 4 * MIB), (12 * MIB, 1), (10 * MIB, 5 * MIB, 2 * MIB)])
def test_an_upload_begun_on_a_killed_server_is_finished_on_the_other(
    servers: tuple[Server, Server], sizes: tuple[int, ...]
) -> None:
    one, other = servers
    content = random.Random(str(sizes)).randbytes(sum(sizes))
    digest = sha256(content)
    answer = one.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
    position = 0
    for size in sizes[:-1]:
        answer = one.ask("PATCH", path(one, answer.headers["Location"]), content[position : position + size])
        assert answer.status == 202, answer
        position += size
    session = path(one, answer.headers["Location"])
    assert one.process.kill() == -9
    held = other.ask("GET", session)
    assert (held.status, held.headers["Range"]) == (204, f"0-{position - 1}")
    done = other.ask("PUT", f"{session}?digest={digest}", content[position:])
    assert done.status == 201, done
    assert other.blob(REPOSITORY, digest) == content
    assert other.ask("GET", session).status == 404


def test_an_upload_whose_server_dies_while_bytes_come_goes_on_where_it_was_last_acknowledged(
    servers: tuple[Server, Server],
) -> None:
    one, other = servers
    content = random.Random("cut").randbytes(30 * MIB)
    digest = sha256(content)
    opened = one.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
    kept = one.ask("PATCH", path(one, opened.headers["Location"]), content[: 6 * MIB])
    assert kept.status == 202, kept
    session = path(one, kept.headers["Location"])
    send_and_kill(one, session, content[6 * MIB :])
    held = other.ask("GET", session)
    assert (held.status, held.headers["Range"]) == (204, f"0-{6 * MIB - 1}")
    going = other.ask("PATCH", session, content[6 * MIB : 9 * MIB])
    assert going.status == 202, going
    done = other.ask("PUT", f"{path(other, going.headers['Location'])}?digest={digest}", content[9 * MIB :])
    assert done.status == 201, done
    assert other.blob(REPOSITORY, digest) == content


def send_and_kill(server: Server, session: str, body: bytes) -> None:
    """Send all of a body but its last byte, and kill the server that waits for it.

    The kernel holds a few MiB of it at most: the server has taken the rest, and has sent parts on to the bucket.
    """
    connection = http.client.HTTPConnection(server.address)
    connection.putrequest("PATCH", session)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:-1])
    server.process.kill()
    connection.close()


def path(server: Server, location: str) -> str:
    return location.removeprefix(server.url)
