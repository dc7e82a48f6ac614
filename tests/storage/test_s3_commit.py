"""A commit on S3 publishes bytes where they were uploaded: however many there are, none of them moves again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore
from botocore.session import Session

from storage import layout
from storage.local import LocalNamespace
from storage.oci.digest import Digest
from storage.oci.reference import Name
from storage.plugins import open_driver
from tests.parts.seaweed import seaweed

MIB = 1024 * 1024
ZEROS = bytes(MIB)
PART = 16 * MIB
#: 4 GiB, and a last part that is not full.
SIZE = 4097 * MIB
DIGEST = Digest("sha256:829816e339ff597ec3ada4c30fc840d3f2298444169d242952a54bcf3fcd7747")
#: What the driver keeps for itself, below the prefix of the store.
RECORDS, DATA = ".preg~/uploads/", ".preg~/data/"


@contextmanager
def recorded() -> Iterator[Mapping[str, list[str]]]:
    """The paths below the prefix, by operation, that every boto3 client made in the `with` asks for."""
    calls = defaultdict[str, list[str]](list)

    def note(model: Any, params: Mapping[str, str], **_: object) -> None:
        calls[model.name].append(params["url_path"].split("/", 2)[-1])

    def watch(session: Session) -> None:
        session.register("before-call.s3", note)

    botocore.register_initializer(watch)
    try:
        yield calls
    finally:
        botocore.unregister_initializer(watch)


async def test_4_gib_are_sent_once_and_then_neither_copied_nor_read() -> None:
    with seaweed() as store, recorded() as calls:
        namespace = LocalNamespace(open_driver(store.url(part_size=str(PART))))
        blobs = namespace.repository(Name("large")).blobs
        # As docker does it: one request brings the bytes, and the next one commits them.
        async with await blobs.upload() as writer:
            for _ in range(SIZE // MIB):
                await writer.write(ZEROS)
        async with await blobs.upload(writer.id) as writer:
            await writer.commit(DIGEST)
        assert (await blobs.get(DIGEST)).size == SIZE
        await namespace.aclose()
    assert len(calls["CreateMultipartUpload"]) == len(calls["CompleteMultipartUpload"]) == 1
    assert len(calls["UploadPart"]) == -(-SIZE // PART)
    assert "UploadPartCopy" not in calls
    assert "CopyObject" not in calls
    assert [path for path in calls["GetObject"] if not path.startswith(RECORDS)] == []
    # The last part is also kept as an object between the requests, as it might have been too small for a part.
    published = [path for path in calls["PutObject"] if not path.startswith((RECORDS, DATA))]
    pointer, link = layout.BlobData(DIGEST).key, layout.LayerLink(Name("large"), DIGEST).key
    assert published == [pointer, link]
