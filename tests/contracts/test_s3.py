"""The S3 driver against the contract, on SeaweedFS."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.drivers import s3_upload
from storage.drivers.s3 import S3Driver
from storage.drivers.s3_errors import PartLost
from storage.errors import NotFound, StorageUnavailable, TooLarge
from storage.guard import Guard
from storage.local import LocalNamespace
from storage.oci.digest import Digest
from storage.oci.errors import BlobTooLarge, BlobUploadUnknown
from storage.oci.reference import Name
from storage.testing import DriverContract, collect
from tests.parts.seaweed import ACCESS, Seaweed, seaweed
from tests.storage.local.content import image, push_image

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def store_server() -> Iterator[Seaweed]:
    with seaweed() as server:
        yield server


class TestS3(DriverContract):
    @pytest.fixture
    async def driver(self, store_server: Seaweed, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3Driver]:
        for name, value in ACCESS.items():
            monkeypatch.setenv(name, value)
        driver = S3Driver(store_server.url(part_size=str(5 * MIB)))
        yield driver
        left = await driver.bucket.call_bucket("list_objects_v2", Prefix=driver.bucket.prefix)
        assert [entry["Key"] for entry in left.get("Contents", ()) if entry["Size"]] == []
        await driver.aclose()

    async def test_an_upload_of_several_parts_goes_on_elsewhere(self, store: Guard) -> None:
        piece = bytes(range(256)) * 4096
        for resume in (False, True, True):
            async with await store.upload("u", resume=resume) as upload:
                for _ in range(7):
                    await upload.write(piece)
        async with await store.upload("u", resume=True) as upload:
            assert upload.offset == 21 * MIB
            await upload.commit("k")
        assert await collect(store.read("k")) == piece * 21
        assert (await store.stat("k")).size == 21 * MIB

    async def test_parts_sent_and_rolled_back_are_not_in_the_object(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            await upload.write(b"a" * (7 * MIB))
        async with await store.upload("u", resume=True) as upload:
            await upload.write(b"b" * (11 * MIB))
            await upload.rollback()
        async with await store.upload("u", resume=True) as upload:
            await upload.commit("k")
        assert await collect(store.read("k")) == b"a" * (7 * MIB)

    async def test_large_content_published_twice_is_kept_once(self, store: Guard, driver: S3Driver) -> None:
        for name in ("u1", "u2"):
            async with await store.upload(name) as upload:
                await upload.write(b"x" * (6 * MIB))
                await upload.commit("k")
        kept = await driver.bucket.call_bucket("list_objects_v2", Prefix=f"{driver.bucket.prefix}.preg~/data/")
        assert [entry["Size"] for entry in kept["Contents"]] == [6 * MIB]
        assert await collect(store.read("k", 6 * MIB - 2)) == b"xx"

    async def test_a_part_that_another_server_overwrote_is_sent_again(
        self, store: Guard, driver: S3Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """AWS keeps the last part of a number; SeaweedFS keeps all, so here the check is made before it is asked."""
        async with await store.upload("u") as upload:
            await upload.write(b"a" * (7 * MIB))
        latest: dict[int, str] = {2: "another server's"}
        call = driver.bucket.call

        async def strict(operation: str, key: str, **arguments: Any) -> dict[str, Any]:
            if operation == "complete_multipart_upload":
                for part in arguments["MultipartUpload"]["Parts"]:
                    if latest.get(part["PartNumber"], part["ETag"]) != part["ETag"]:
                        raise PartLost
            answer = await call(operation, key, **arguments)
            if operation == "upload_part":
                latest[arguments["PartNumber"]] = answer["ETag"]
            return answer

        monkeypatch.setattr(driver.bucket, "call", strict)
        async with await store.upload("u", resume=True) as upload:
            await upload.commit("k")
        assert await collect(store.read("k")) == b"a" * (7 * MIB)

    async def test_the_catalog_forgets_a_repository_with_its_last_manifest(self, store: Guard) -> None:
        """A store may name its prefix for a while, in which there is no object any more."""
        namespace = LocalNamespace(store)
        for name in ("gone", "gone/below", "kept"):
            manifest = await push_image(namespace.repository(Name(name)), "1")
        for name in ("gone/below", "gone"):
            await namespace.repository(Name(name)).manifests.delete(manifest.digest)
            assert name not in [listed async for listed in namespace.repositories()]
            assert [tag async for tag in namespace.repository(Name(name)).tags.list()] == []
        assert [name async for name in namespace.repositories()] == ["kept"]

    async def test_referrers_are_in_the_order_of_their_pushes(self, store: Guard) -> None:
        """A store's own times are in seconds."""
        repository = LocalNamespace(store).repository(Name("a"))
        subject = await push_image(repository)
        attached = [image(subject=subject, annotations={"number": str(number)}) for number in range(12)]
        for manifest in (*attached, attached[3]):
            await repository.manifests.put(manifest)
        first = await repository.referrers.page(subject.digest)
        assert first == ([each.descriptor for each in attached], "")
        await repository.manifests.delete(attached[5].digest)
        assert len((await repository.referrers.page(subject.digest)).descriptors) == 11
        for manifest in attached:
            if manifest is not attached[5]:
                await repository.manifests.delete(manifest.digest)
        assert not [info.key async for info in store.list("") if "_referrers" in info.key]

    @pytest.mark.parametrize("lost", ["Metadata", "ContentType"])
    async def test_half_a_pointer_is_not_taken_for_an_object(
        self, store: Guard, driver: S3Driver, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        await upload_large(store, "k")
        call = driver.bucket.call

        async def forgetful(operation: str, key: str, **arguments: Any) -> dict[str, Any]:
            answer = await call(operation, key, **arguments)
            return {**answer, lost: {}} if lost in answer else answer

        with monkeypatch.context() as patch:
            patch.setattr(driver.bucket, "call", forgetful)
            for asked in (store.stat("k"), store.get("k", limit=10 * MIB), collect(store.read("k"))):
                with pytest.raises(StorageUnavailable):
                    await asked
        assert (await store.stat("k")).size == 6 * MIB

    async def test_a_spoiled_record_keeps_no_other_from_being_purged(
        self, store: Guard, driver: S3Driver, caplog: pytest.LogCaptureFixture
    ) -> None:
        await store.put("k", b"stays")
        for name in ("u1", "u2"):
            async with await store.upload(name) as upload:
                await upload.write(b"x")
        for number, spoiled in enumerate([b"{", b'[5,""]', b'[5,"k"]']):
            await driver.bucket.put(f".preg~/uploads/{number}", spoiled)
        assert await store.purge_uploads(idle=3600) == 0
        assert await store.purge_uploads(idle=-3600) == 5
        assert "uploads/0" in caplog.text
        assert await store.get("k", limit=5) == b"stays"

    async def test_a_deletion_that_was_cut_short_leaves_nothing(
        self, store: Guard, driver: S3Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await upload_large(store, "k")
        call = driver.bucket.call

        async def dying(operation: str, key: str, **arguments: Any) -> dict[str, Any]:
            if operation == "delete_object" and key != "k":
                raise StorageUnavailable
            return await call(operation, key, **arguments)

        with monkeypatch.context() as patch:
            patch.setattr(driver.bucket, "call", dying)
            with pytest.raises(StorageUnavailable):
                await store.delete("k")
        with pytest.raises(NotFound):
            await store.stat("k")
        assert await store.purge_uploads(idle=-3600) == 1

    async def test_parts_grow_with_what_is_announced(self, store: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_upload, "_PARTS_LIMIT", 2)
        blobs = LocalNamespace(store).repository(Name("large")).blobs
        content = bytes(range(256)) * 4096 * 13
        async with await blobs.upload() as unannounced:
            with pytest.raises(BlobTooLarge):
                await unannounced.write(content)
        with pytest.raises(BlobUploadUnknown):
            await blobs.upload(unannounced.id)
        async with await blobs.upload() as announced:
            announced.expect(len(content))
            await announced.write(content[: 9 * MIB])
        async with await blobs.upload(announced.id) as announced:
            with pytest.raises(BlobTooLarge):
                announced.expect(len(content) + 2 * MIB)
            await announced.write(content[9 * MIB :])
            await announced.commit(Digest.of(content))
        blob = await blobs.get(Digest.of(content))
        assert await collect(blob.read()) == content


@given(size=st.integers(0, 5 * 1024**4), least=st.integers(5 * MIB, 5 * 1024 * MIB))
def test_everything_announced_fits_into_the_parts_that_s3_takes(size: int, least: int) -> None:
    part_size = s3_upload.fitting_part_size(size, least)
    assert least <= part_size <= 5 * 1024 * MIB
    assert -(-size // part_size) <= 10_000
    # No larger than needed: a part is held in memory.
    assert part_size == least or -(-size // (part_size - MIB)) > 10_000


def test_what_no_object_holds_is_refused() -> None:
    with pytest.raises(TooLarge):
        s3_upload.fitting_part_size(5 * 1024**4 + 1, 16 * MIB)


async def upload_large(store: Guard, key: str) -> None:
    async with await store.upload("large") as upload:
        await upload.write(b"x" * (6 * MIB))
        await upload.commit(key)
