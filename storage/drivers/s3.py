"""Objects in an S3 bucket.

A small object lies at its key. So does a large one that ``registry:2`` wrote; one that we wrote is a *pointer* at its
key: a small object whose type says so and whose metadata names where the bytes lie, so that an upload is published
without a copy. What is
ours alone lies below ``.preg~/``: ``data/`` has the bytes that pointers name, ``uploads/`` the records of suspended
uploads.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from storage.driver import ObjectInfo
from storage.drivers.s3_bucket import Bucket, written
from storage.drivers.s3_errors import Refused
from storage.drivers.s3_parts import InFlight
from storage.drivers.s3_upload import Record, S3Upload, Spoiled
from storage.errors import AlreadyExists, NotFound, PreconditionFailed, StorageUnavailable, TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence

_LOG: Final = logging.getLogger("preg.storage")
_PIECE: Final = 1024 * 1024
_PIECE_LEAST: Final = 64 * 1024
#: What all who read have fetched in advance, in bytes. As much again is on its way to clients.
_READ_AHEAD: Final = 64 * 1024 * 1024
_OWN: Final = ".preg~/"
_UPLOADS: Final = _OWN + "uploads/"
_DATA: Final = _OWN + "data/"
#: Every pointer is this long, so that a listing tells which objects may be one.
_POINTER_SIZE: Final = 256
_POINTER_TYPE: Final = "application/vnd.preg.pointer+json"
_DATA_KEY: Final = "preg-data"
_DATA_SIZE: Final = "preg-size"
#: Tells whether an object is the one that a call wrote.
_WRITE: Final = "preg-write"
#: A record names up to 10,000 parts.
_RECORD_LIMIT: Final = 4 * 1024 * 1024
#: Bytes of all uploads together that are on their way, and held in memory until they have arrived.
_IN_FLIGHT: Final = 96 * 1024 * 1024
#: An object is looked for among so many keys at once: the first may be the mark of an empty folder.
_FEW: Final = 10
#: Sorts behind every name.
_BEHIND_ALL: Final = "􏿿"


class S3Driver:
    """A ``storage.driver.Driver`` over a bucket."""

    name = "s3"

    def __init__(self, url: str) -> None:
        self.bucket = Bucket(url)
        self.in_flight = InFlight(_IN_FLIGHT)
        self._reading = 0
        #: Where the records of the uploads lie that this process is writing to.
        self.held: set[str] = set()

    async def stat(self, key: str, /) -> ObjectInfo:
        return (await self._find(key))[0]

    async def get(self, key: str, /, *, limit: int) -> bytes:
        answer = await self.bucket.call("get_object", key)
        pointed = _pointed(answer)
        size = answer["ContentLength"] if pointed is None else pointed[1]
        if size > limit:
            answer["Body"].close()
            raise TooLarge(f"{size} bytes, more than {limit}")
        if pointed is not None:
            answer["Body"].close()
            answer = await self.bucket.call("get_object", pointed[0])
        body: bytes = await self.bucket.run(answer["Body"].read)
        return body

    async def read(self, key: str, /, start: int = 0, stop: int | None = None) -> "AsyncIterator[bytes]":
        begun = False
        while True:
            info, place = await self._find(key)
            end = info.size if stop is None else min(stop, info.size)
            # Bytes that a pointer names never change, and those at the key itself may be replaced.
            etag = info.etag if place == key else None
            try:
                async for piece in self.read_plain(place, start, end, etag=etag):
                    begun = True
                    yield piece
            except Refused as error:
                if begun:
                    raise StorageUnavailable("the object was replaced, and the connection broke") from error
            else:
                return

    async def put(
        self, key: str, data: bytes, /, *, if_match: str | None = None, if_absent: bool = False
    ) -> ObjectInfo:
        if not if_absent and if_match is None:
            return written(key, len(data), await self.bucket.put(key, data))
        condition = {"IfNoneMatch": "*"} if if_absent else {"IfMatch": if_match}
        mark = {_WRITE: uuid.uuid4().hex}
        try:
            answer = await self.bucket.put(key, data, Metadata=mark, **condition)
        except Refused as refusal:
            # What is refused may be the second attempt of a call that was carried out, and whose answer got lost.
            with contextlib.suppress(NotFound):
                present = await self.bucket.call("head_object", key)
                if present["Metadata"].get(_WRITE) == mark[_WRITE]:
                    return _described(key, present)
            kind = AlreadyExists if if_absent else PreconditionFailed
            raise kind("there is another object at the key") from refusal
        except NotFound as error:
            # What AWS answers to If-Match where there is no object.
            raise PreconditionFailed("there is no object at the key") from error
        return written(key, len(data), answer)

    async def upload(self, key: str, /, *, resume: bool = False) -> S3Upload:
        place = _UPLOADS + hashlib.sha256(key.encode()).hexdigest()
        return await S3Upload.open(self, place, resume=resume)

    async def delete(self, key: str, /) -> None:
        try:
            pointed = _pointed(await self.bucket.call("head_object", key))
        except NotFound:
            return
        if pointed is None:
            await self.bucket.call("delete_object", key)
            return
        # Whoever dies between the two leaves this record, by which ``purge_uploads`` removes the bytes.
        place = _UPLOADS + uuid.uuid4().hex
        record = Record(self.bucket.options.part_size, pointed[0], target=key)
        await self.bucket.put(place, record.encode())
        await self.bucket.call("delete_object", key)
        await S3Upload.drop(self, record)
        await self.bucket.call("delete_object", place)

    async def list(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[ObjectInfo]":
        level = [entry async for page, _ in self._pages(prefix) for entry in page.items()]
        for name, entry in sorted(level, key=lambda named: named[0]):
            key = prefix + name
            if entry is not None:
                if key > start_after:
                    with contextlib.suppress(NotFound):
                        # A pointer's length is not that of the bytes it stands for.
                        yield entry if entry.size != _POINTER_SIZE else await self.stat(key)
            elif key > start_after or start_after.startswith(key):
                async for info in self.list(key, start_after=start_after):
                    yield info

    async def children(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[str]":
        """See ``Driver.children``.

        AWS lists ``a-b/`` before ``a/``, for it counts the slash. So before a name is given, those of its beginnings
        that may still come behind it are looked for in the page, and asked for, each once, if they may lie behind it.
        """
        last = start_after
        asked: dict[str, bool] = {}
        # A slash sorts differently from store to store, and no name has one.
        async for page, is_last in self._pages(prefix, start_after.partition("/")[0]):
            end = _BEHIND_ALL if is_last else next(reversed(page), "")
            for listed in page:
                name = listed.removesuffix("/")
                asked = {beginning: found for beginning, found in asked.items() if name.startswith(beginning)}
                for beginning in _beginnings(name):
                    if beginning > last and beginning not in asked:
                        folder = beginning + "/"
                        asked[beginning] = folder in page or (folder > end and await self.holds(prefix + folder))
                        if asked[beginning]:
                            last = beginning
                            yield folder
                if name > last:
                    last = name
                    yield listed

    async def holds(self, prefix: str, /) -> bool:
        """See ``Driver.holds``. Some stores name a prefix for a while after its last object is gone: no object is."""
        arguments: dict[str, Any] = {"Prefix": self.bucket.prefix + prefix, "MaxKeys": _FEW}
        while True:
            answer = await self.bucket.call_bucket("list_objects_v2", **arguments)
            if any("~/" not in info.key for info in self._objects(answer.get("Contents", ()))):
                return True
            if not answer["IsTruncated"]:
                return False
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    async def purge_uploads(self, *, idle: float) -> int:
        purged = 0
        limit = time.time() - idle
        named: set[str] = set()
        async for info in self.list(_UPLOADS):
            record = await self._read_record(info.key)
            if info.modified <= limit:
                if record is not None:
                    await S3Upload.drop(self, record)
                await self.bucket.call("delete_object", info.key)
                purged += 1
            elif record is not None:
                named.add(record.upload_id)
        # Those that no record names were begun in the moments before a crash, or by an answer that got lost.
        async for place, upload_id in self._begun_before(limit):
            if upload_id not in named:
                await self.bucket.call("abort_multipart_upload", place, UploadId=upload_id)
                purged += 1
        return purged

    async def presign(self, key: str, /, *, lifetime: float) -> str:
        return await self.bucket.presign((await self._find(key))[1], lifetime)

    async def aclose(self) -> None:
        self.bucket.close()

    async def read_plain(self, place: str, start: int, stop: int, *, etag: str | None = None) -> "AsyncIterator[bytes]":
        """Read bytes of an object that is no pointer, as long as it has that ETag.

        A connection that breaks is followed by another, as long as each brings something.
        """
        condition = {"IfMatch": etag} if etag is not None else {}
        while start < stop:
            begin = start
            answer = await self.bucket.call("get_object", place, Range=f"bytes={start}-{stop - 1}", **condition)
            try:
                async with contextlib.aclosing(self._pieces(answer["Body"])) as pieces:
                    async for piece in pieces:
                        start += len(piece)
                        yield piece
            except StorageUnavailable:
                if start == begin:
                    raise
            if start == begin:
                raise StorageUnavailable(f"{place} is shorter than was said")

    async def put_whole(self, key: str, body: bytes) -> ObjectInfo:
        """Publish bytes that are handed over in one call."""
        return await self._publish(key, key, len(body), body)

    async def point(self, key: str, place: str, size: int) -> ObjectInfo:
        """Publish bytes that lie elsewhere; if as many are published already, those stay and ours are not needed."""
        body = msgspec.json.encode({"preg": "pointer", "data": place, "size": size}).ljust(_POINTER_SIZE)
        return await self._publish(key, place, size, body)

    async def find_place(self, key: str) -> str | None:
        """Say where the bytes of an object lie, if there is one."""
        try:
            return (await self._find(key))[1]
        except NotFound:
            return None

    async def beginning_with(self, place: str) -> "Sequence[str]":
        """Name the objects whose key begins so; there are few."""
        answer = await self.bucket.call_bucket("list_objects_v2", Prefix=self.bucket.prefix + place)
        return [entry["Key"].removeprefix(self.bucket.prefix) for entry in answer.get("Contents", ())]

    def new_place(self) -> str:
        """Name a place for bytes, to which nobody else writes."""
        name = uuid.uuid4().hex
        return f"{_DATA}{name[:2]}/{name}"

    async def _find(self, key: str) -> tuple[ObjectInfo, str]:
        """Describe an object, and say where its bytes lie."""
        answer = await self.bucket.call("head_object", key)
        pointed = _pointed(answer)
        if pointed is None:
            return _described(key, answer), key
        return _described(key, answer)._replace(size=pointed[1]), pointed[0]

    async def has(self, place: str, size: int) -> bool:
        try:
            answer = await self.bucket.call("head_object", place)
        except NotFound:
            return False
        return bool(answer["ContentLength"] == size)

    async def _read_record(self, place: str) -> Record | None:
        """Read the record of an upload. None if it is gone, or spoiled: nobody can go on with the upload then."""
        try:
            return Record.decode(await self.get(place, limit=_RECORD_LIMIT))
        except NotFound:
            pass
        except (Spoiled, TooLarge) as error:
            _LOG.warning("%s says nothing of an upload, and is dropped when it is idle: %s", place, error)
        return None

    async def _publish(self, key: str, place: str, size: int, body: bytes) -> ObjectInfo:
        """Put at a key what stands for bytes at a place: a pointer, or they themselves if that place is the key."""
        kind: dict[str, Any] = {}
        if place != key:
            kind = {"ContentType": _POINTER_TYPE, "Metadata": {_DATA_KEY: place, _DATA_SIZE: str(size)}}
        try:
            return written(key, size, await self.bucket.put(key, body, IfNoneMatch="*", **kind))
        except Refused:
            info, present = await self._find(key)
        if present != key and info.size == size and await self.has(present, size):
            return info
        answer = await self.bucket.put(key, body, **kind)
        if present not in (key, place):
            await self.bucket.call("delete_object", present)
        return written(key, size, answer)

    async def _pieces(self, body: Any) -> "AsyncGenerator[bytes, None]":
        """Read an answer's body; the next piece is fetched while one is being used."""
        self._reading += 1
        upcoming = asyncio.ensure_future(self._next_piece(body))
        try:
            while piece := await upcoming:
                upcoming = asyncio.ensure_future(self._next_piece(body))
                yield piece
        finally:
            self._reading -= 1
            await asyncio.wait([upcoming])
            if not upcoming.cancelled():
                # Nobody else asks whether the piece that is not wanted any more came.
                upcoming.exception()
            body.close()

    async def _next_piece(self, body: Any) -> bytes:
        """Read the next piece of a body, a smaller one the more there are who read."""
        size = min(_PIECE, max(_PIECE_LEAST, _READ_AHEAD // self._reading))
        piece: bytes = await self.bucket.run(partial(body.read, size))
        return piece

    async def _begun_before(self, limit: float) -> "AsyncIterator[tuple[str, str]]":
        """Name the multipart uploads begun before a time, which nobody completed yet."""
        arguments = {"Prefix": self.bucket.prefix + _DATA}
        while True:
            answer = await self.bucket.call_bucket("list_multipart_uploads", **arguments)
            for entry in answer.get("Uploads", ()):
                if entry["Initiated"].timestamp() <= limit:
                    yield entry["Key"].removeprefix(self.bucket.prefix), entry["UploadId"]
            if not answer["IsTruncated"]:
                return
            arguments |= {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    async def _pages(
        self, prefix: str, start_after: str = ""
    ) -> "AsyncIterator[tuple[dict[str, ObjectInfo | None], bool]]":
        """List one level, a page at a time, and say of each whether it is the last.

        A page has names in order, those of folders with a slash and without a description.
        """
        full = self.bucket.prefix + prefix
        arguments = {"Prefix": full, "Delimiter": "/"}
        if start_after:
            arguments["StartAfter"] = full + start_after
        while True:
            answer = await self.bucket.call_bucket("list_objects_v2", **arguments)
            page: list[tuple[str, ObjectInfo | None]] = [
                (entry["Prefix"].removeprefix(full), None) for entry in answer.get("CommonPrefixes", ())
            ]
            page += [(info.key.removeprefix(prefix), info) for info in self._objects(answer.get("Contents", ()))]
            page = [named for named in page if not named[0].endswith(("~", "~/"))]
            yield dict(sorted(page, key=lambda named: named[0])), not answer["IsTruncated"]
            if not answer["IsTruncated"]:
                return
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    def _objects(self, contents: "Iterable[dict[str, Any]]") -> "Iterator[ObjectInfo]":
        for entry in contents:
            key = entry["Key"].removeprefix(self.bucket.prefix)
            if not key.endswith("/"):
                # What ends with a slash is how some stores and consoles keep an empty folder.
                yield ObjectInfo(key, entry["Size"], entry["LastModified"].timestamp(), entry["ETag"])


def _pointed(answer: dict[str, Any]) -> tuple[str, int] | None:
    """Say where a pointer points and how many bytes lie there. Raises StorageUnavailable if half of that is missing."""
    metadata, is_pointer = answer["Metadata"], answer.get("ContentType") == _POINTER_TYPE
    if not is_pointer and _DATA_KEY not in metadata:
        return None
    if not is_pointer or not metadata.get(_DATA_KEY) or not metadata.get(_DATA_SIZE, "").isdigit():
        raise StorageUnavailable("the store's answer describes a pointer, and lacks a part of it")
    return metadata[_DATA_KEY], int(metadata[_DATA_SIZE])


def _described(key: str, answer: dict[str, Any]) -> ObjectInfo:
    """Describe an object from the store's answer to a HEAD."""
    return ObjectInfo(key, answer["ContentLength"], answer["LastModified"].timestamp(), answer["ETag"])


def _beginnings(name: str) -> "Iterator[str]":
    """Give the beginnings of a name behind which comes a character that sorts below the slash."""
    return (name[:position] for position, character in enumerate(name) if position and character < "/")
