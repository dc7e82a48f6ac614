"""Blobs, and upload sessions that survive what happens to them."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import rehashes
from hypothesis import given
from hypothesis import strategies as st

from storage.drivers.folder import FolderDriver
from storage.drivers.memory import MemoryDriver
from storage.guard import Guard
from storage.layout import BlobData, LayerLink, UploadData
from storage.local import LocalNamespace
from storage.oci.digest import ALGORITHMS, Digest
from storage.oci.errors import BlobUnknown, BlobUploadUnknown, DigestInvalid, Unavailable
from storage.oci.reference import Name
from tests.parts.required import ROOT
from tests.storage.local.content import pull_blob, push_blob

A, B = Name("a"), Name("b/c")
MIB = 1024 * 1024
LARGE = bytes(range(256)) * (5 * MIB // 512) + b"tail"


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.parametrize("content", [b"", b"x", LARGE], ids=["empty", "byte", "large"])
async def test_a_blob_is_read_back_under_the_digest_it_was_pushed_with(
    namespace: LocalNamespace, algorithm: str, content: bytes
) -> None:
    digest = await push_blob(namespace.repository(A), content, algorithm)
    assert await pull_blob(namespace.repository(A), digest) == content
    other = Digest.of(content, "sha512" if algorithm == "sha256" else "sha256")
    with pytest.raises(BlobUnknown):
        await namespace.repository(A).blobs.get(other)


async def test_a_large_blob_is_read_in_parts_of_bounded_size(namespace: LocalNamespace) -> None:
    blob = await namespace.repository(A).blobs.get(await push_blob(namespace.repository(A), LARGE))
    for start, stop in ((0, None), (MIB - 1, MIB + 1), (5, 5), (len(LARGE) - 4, None), (1, len(LARGE) - 1)):
        pieces = [piece async for piece in blob.read(start, stop)]
        assert b"".join(pieces) == LARGE[start:stop]
        assert all(len(piece) <= MIB for piece in pieces)


async def test_a_blob_belongs_to_its_repository_alone(namespace: LocalNamespace) -> None:
    digest = await push_blob(namespace.repository(A), b"x")
    with pytest.raises(BlobUnknown):
        await namespace.repository(B).blobs.get(digest)
    await push_blob(namespace.repository(B), b"x")
    await namespace.repository(A).blobs.delete(digest)
    with pytest.raises(BlobUnknown):
        await namespace.repository(A).blobs.get(digest)
    with pytest.raises(BlobUnknown):
        await namespace.repository(A).blobs.delete(digest)
    assert await pull_blob(namespace.repository(B), digest) == b"x"


async def test_mount(namespace: LocalNamespace) -> None:
    a, b = namespace.repository(A).blobs, namespace.repository(B).blobs
    digest = await push_blob(namespace.repository(A), b"x")
    assert not await b.mount(Digest.of(b"other"), A)
    assert not await b.mount(Digest.of(b"other"), None)
    assert not await b.mount(digest, Name("nobody"))
    assert not await b.mount(digest, B), "a repository has not yet what it is to be given"
    assert await b.mount(digest, A)
    assert await pull_blob(namespace.repository(B), digest) == b"x"
    assert await namespace.repository(Name("c")).blobs.mount(digest, None)
    await a.delete(digest)
    assert not await namespace.repository(Name("d")).blobs.mount(digest, A)


async def test_a_blob_whose_bytes_are_lost_is_unknown_and_can_be_pushed_again(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    digest = await push_blob(repository, b"x")
    await namespace.store.delete(BlobData(digest).key)
    with pytest.raises(BlobUnknown):
        await repository.blobs.get(digest)
    assert not await namespace.repository(B).blobs.mount(digest, A)
    await push_blob(repository, b"x")
    assert await pull_blob(repository, digest) == b"x"


async def test_a_push_heals_a_spoiled_blob(namespace: LocalNamespace) -> None:
    digest = await push_blob(namespace.repository(A), LARGE)
    await namespace.store.put(BlobData(digest).key, b"spoiled")
    await push_blob(namespace.repository(B), LARGE)
    assert await pull_blob(namespace.repository(A), digest) == LARGE


async def test_content_of_another_digest_is_refused_and_the_session_dropped(namespace: LocalNamespace) -> None:
    blobs, wanted = namespace.repository(A).blobs, Digest.of(b"wanted")
    async with await blobs.upload() as upload:
        await upload.write(b"other")
        with pytest.raises(DigestInvalid):
            await upload.commit(wanted)
    with pytest.raises(BlobUploadUnknown):
        await blobs.upload(upload.id)
    with pytest.raises(BlobUnknown):
        await blobs.get(wanted)
    assert [info.key async for info in namespace.store.list("")] == []


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
async def test_a_session_goes_on_in_another_registry_object(store: Guard, algorithm: str) -> None:
    digest = Digest.of(LARGE, algorithm)
    session = None
    for start in range(0, len(LARGE), 700_001):
        async with await LocalNamespace(store).repository(A).blobs.upload(session) as upload:
            assert upload.offset == start
            await upload.write(LARGE[start : start + 700_001])
            session = upload.id
    async with await LocalNamespace(store).repository(A).blobs.upload(session) as upload:
        await upload.commit(digest)
    assert await pull_blob(LocalNamespace(store).repository(A), digest) == LARGE


async def test_a_session_goes_on_in_another_process(tmp_path: Path) -> None:
    begin = (
        "import asyncio, sys\n"
        "from storage.local import LocalNamespace\n"
        "from storage.plugins import open_driver\n"
        "async def main():\n"
        "    async with await LocalNamespace(open_driver(sys.argv[1])).repository('a').blobs.upload() as upload:\n"
        "        await upload.write(b'one')\n"
        "        print(upload.id)\n"
        "asyncio.run(main())\n"
    )
    child = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", begin, str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    store = Guard(FolderDriver(tmp_path))
    async with await LocalNamespace(store).repository(A).blobs.upload(child.stdout.strip()) as upload:
        assert upload.offset == 3
        await upload.write(b"two")
        await upload.commit(Digest.of(b"onetwo"))
    assert await pull_blob(LocalNamespace(store).repository(A), Digest.of(b"onetwo")) == b"onetwo"
    await store.aclose()


async def test_a_session_is_known_to_its_repository_alone(namespace: LocalNamespace) -> None:
    async with await namespace.repository(A).blobs.upload() as upload:
        await upload.write(b"x")
    with pytest.raises(BlobUploadUnknown):
        await namespace.repository(B).blobs.upload(upload.id)
    with pytest.raises(BlobUploadUnknown):
        await namespace.repository(A).blobs.upload("0" * 32)


async def test_a_session_is_written_to_by_one_at_a_time(
    namespace: LocalNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.local.blobs._PATIENCE", 0.1)
    blobs = namespace.repository(A).blobs
    async with await blobs.upload() as upload:
        with pytest.raises(Unavailable):
            await blobs.upload(upload.id)
    async with await blobs.upload(upload.id) as again:
        assert again.offset == 0


async def test_a_finished_session_is_gone(namespace: LocalNamespace) -> None:
    blobs = namespace.repository(A).blobs
    async with await blobs.upload() as committed:
        await committed.commit(Digest.of(b""))
    async with await blobs.upload() as aborted:
        await aborted.abort()
        await aborted.abort()
    for session in (committed.id, aborted.id):
        with pytest.raises(BlobUploadUnknown):
            await blobs.upload(session)


@pytest.mark.parametrize("size", [0, 1, MIB, 3 * MIB + 1])
async def test_rollback_leaves_what_was_there_and_its_hash(namespace: LocalNamespace, size: int) -> None:
    blobs = namespace.repository(A).blobs
    async with await blobs.upload() as upload:
        await upload.write(b"kept")
    async with await blobs.upload(upload.id) as upload:
        await upload.write(b"x" * size)
        await upload.rollback()
        assert upload.offset == 4
        await upload.write(b"!")
    async with await blobs.upload(upload.id) as upload:
        await upload.commit(Digest.of(b"kept!"))
    assert await pull_blob(namespace.repository(A), Digest.of(b"kept!")) == b"kept!"


async def test_the_same_blob_in_many_sessions_at_once(namespace: LocalNamespace) -> None:
    digests = await asyncio.gather(*(push_blob(namespace.repository(A), LARGE) for _ in range(6)))
    assert set(digests) == {Digest.of(LARGE)}
    assert await pull_blob(namespace.repository(A), digests[0]) == LARGE


async def test_idle_sessions_are_purged_and_held_ones_are_not(namespace: LocalNamespace) -> None:
    blobs = namespace.repository(A).blobs
    async with await blobs.upload() as idle:
        await idle.write(b"x")
    async with await blobs.upload() as held:
        assert await namespace.purge_uploads(idle=3600) == 0
        assert await namespace.purge_uploads(idle=-1) == 1
        await held.write(b"y")
        await held.commit(Digest.of(b"y"))
    with pytest.raises(BlobUploadUnknown):
        await blobs.upload(idle.id)


def _state(content: bytes) -> bytes:
    running = rehashes.PySha256()
    running.update(content)
    return bytes(running.serialize())


notes = st.one_of(
    st.binary(max_size=150),
    st.builds(
        lambda offset, state: msgspec.msgpack.encode({"offset": offset, "state": state}),
        st.integers(-5, 10) | st.integers(-(2**63), 2**63 - 1),
        st.binary(max_size=120) | st.binary(min_size=104, max_size=104),
    ),
    # What a crash may leave: a note that was right, and is older than the bytes or speaks of some that were lost.
    st.integers(0, 8)
    .filter(lambda n: n != 3)
    .map(lambda n: msgspec.msgpack.encode({"offset": n, "state": _state(b"one lost"[:n])})),
)


@given(notes)
async def test_no_note_however_spoiled_lets_wrong_bytes_through(note: bytes) -> None:
    """A note whose offset is right and whose hash is not cannot come of a crash; it is refused, not believed."""
    store = Guard(MemoryDriver())
    blobs = LocalNamespace(store).repository(A).blobs
    async with await store.upload(UploadData(A, "0" * 32).key) as upload:
        await upload.write(b"one")
        upload.note = note
    async with await blobs.upload("0" * 32) as writer:
        assert writer.offset == 3
        await writer.write(b"two")
        try:
            await writer.commit(Digest.of(b"onetwo"))
        except DigestInvalid:
            assert msgspec.msgpack.decode(note)["offset"] == 3
        else:
            assert await store.get(BlobData(Digest.of(b"onetwo")).key, limit=6) == b"onetwo"


async def test_a_link_comes_after_the_bytes_it_speaks_of(store: Guard) -> None:
    digest = await push_blob(LocalNamespace(store).repository(A), b"x")
    link = await store.stat(LayerLink(A, digest).key)
    data = await store.stat(BlobData(digest).key)
    assert link.modified >= data.modified
    assert await store.get(link.key, limit=100) == digest.encode()
