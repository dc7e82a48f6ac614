"""Uploads of the S3 driver.

Bytes are gathered up to a part and sent; an upload of one part or less is one PUT. What is left over when an upload is
suspended is its *tail*: an object of its own, and, where parts went before, also the last part, so that a commit that
follows has nothing to read and nothing to send. A record of a few hundred bytes is all that ties this together.

Any call may fail, or take effect although its answer is lost. So the record names a place before anything lies there
that others can see, and names the key to be published before its bytes become an object. Bytes at a place are written
once: an upload whose commit was cut short may be committed again, but goes on, if at all, at another place.
"""

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Annotated, Final, Self

import msgspec

from storage.drivers.s3_errors import PartLost
from storage.errors import (
    AlreadyExists,
    Busy,
    NotFound,
    PreconditionFailed,
    StorageError,
    StorageUnavailable,
    TooLarge,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.driver import ObjectInfo
    from storage.drivers.s3 import S3Driver

#: What S3 takes.
_PARTS_LIMIT: Final = 10_000
_OBJECT_MOST: Final = 5 * 1024**4
_MIB: Final = 1024 * 1024
#: Where bytes lie. What begins like that is dropped with an upload, so nothing else may stand in a record.
_PLACE: Final = r"^\.preg~/data/[0-9a-f]{2}/[0-9a-f]{32}(-[0-9a-f]{32})?$"


def fitting_part_size(size: int, least: int) -> int:
    """Give the size of parts, in whole MiB above ``least``, that hold so many bytes. Raises TooLarge if none does."""
    if size > _OBJECT_MOST:
        raise TooLarge(f"{size} bytes are more than S3 keeps in one object")
    return max(least, -(-size // (_PARTS_LIMIT * _MIB)) * _MIB)


class Spoiled(StorageUnavailable):
    """What should be the record of an upload is none."""


class Record(msgspec.Struct, array_like=True):
    """A suspended upload, as it is kept in the bucket.

    ``data`` is where the bytes are to lie, and how the names of its tails begin. ``parts`` has the ETag of each full
    part; ``tail`` names the object of the bytes behind them, ``tail_part`` the ETag of the same bytes as a part.
    ``target`` is set when a commit begins.
    """

    part_size: int
    data: Annotated[str, msgspec.Meta(pattern=_PLACE)]
    upload_id: str = ""
    parts: list[str] = []
    tail: str = ""
    tail_size: int = 0
    tail_part: str = ""
    note: bytes = b""
    target: str = ""

    def encode(self) -> bytes:
        """Write the record."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, raw: bytes) -> "Record":
        """Read a record. Raises Spoiled if it is none."""
        try:
            return msgspec.json.decode(raw, type=cls)
        except msgspec.MsgspecError as error:
            raise Spoiled(f"the record of an upload is spoiled: {error}") from error

    def copy(self) -> "Record":
        """Make a record that does not change with this one."""
        return msgspec.structs.replace(self, parts=list(self.parts))


class S3Upload:
    """A ``storage.driver.Upload`` over a multipart upload, which is begun when the first part is full.

    ``_opened`` is the record to go back to. ``_saved`` is the one in the bucket, ``_etag`` its ETag; without one it is
    not there, or maybe not. ``_replaced`` names tails that may be of no use any more.
    """

    def __init__(self, driver: "S3Driver", place: str, record: Record, etag: str | None) -> None:
        self._driver = driver
        self._bucket = driver.bucket
        self._place = place
        self._record = record
        self._opened = self._saved = record.copy()
        self._replaced: set[str] = set()
        self._etag = etag
        self.note = record.note
        self._gathered: list[bytes] = []
        self._size = 0
        self._tail_taken = False
        self._sending: list[asyncio.Task[None]] = []
        self._complete = False
        self._done = False

    @classmethod
    async def open(cls, driver: "S3Driver", place: str, *, resume: bool) -> Self:
        """Begin an upload whose record is to lie at ``place``, or take up the one that does. Raises NotFound."""
        if not resume:
            with contextlib.suppress(NotFound):
                await (await cls.open(driver, place, resume=True)).abort()
        if place in driver.held:
            raise Busy("another request is writing to the upload")
        driver.held.add(place)
        if not resume:
            return cls(driver, place, Record(driver.bucket.options.part_size, driver.new_place()), None)
        try:
            answer = await driver.bucket.call("get_object", place)
            raw = await driver.bucket.run(answer["Body"].read)
            return cls(driver, place, Record.decode(raw), answer["ETag"])
        except BaseException:
            driver.held.discard(place)
            raise

    @staticmethod
    async def drop(driver: "S3Driver", record: Record) -> None:
        """Remove all that an upload sent, but not what a commit published."""
        if record.upload_id:
            with contextlib.suppress(NotFound):
                await driver.bucket.call("abort_multipart_upload", record.data, UploadId=record.upload_id)
        published = await driver.find_place(record.target) if record.target else None
        for place in await driver.beginning_with(record.data):
            if place != published:
                await driver.bucket.call("delete_object", place)

    @property
    def offset(self) -> int:
        tail = 0 if self._tail_taken else self._record.tail_size
        return len(self._record.parts) * self._record.part_size + tail + self._size

    def expect(self, size: int, /) -> None:
        """Choose parts so large that their number does; they are of one size, as some stores want them."""
        record = self._record
        if not record.parts:
            record.part_size = fitting_part_size(size, record.part_size)
        elif size > _PARTS_LIMIT * record.part_size:
            raise TooLarge(f"{size} bytes do not fit into {_PARTS_LIMIT} parts of {record.part_size} bytes")

    async def write(self, data: bytes, /) -> None:
        most = _PARTS_LIMIT * self._record.part_size
        if self.offset + len(data) > most:
            raise TooLarge(f"more than {most} bytes, {_PARTS_LIMIT} parts, came without being announced")
        await self._go_on()
        self._gathered.append(data)
        self._size += len(data)
        while self._size >= self._record.part_size:
            await self._send()

    async def rollback(self) -> None:
        if self._done:
            return
        await self._arrived()
        begun, opened = self._record, self._opened
        self._record = opened.copy()
        if len(begun.parts) > len(opened.parts) or begun.tail_part != opened.tail_part:
            # A part sent meanwhile has the number of the part that held the tail.
            self._record.tail_part = ""
        self._gathered, self._size, self._tail_taken = [], 0, False
        self.note = opened.note
        if begun.upload_id != opened.upload_id:
            with contextlib.suppress(StorageError):
                # If it cannot be done now, it is left to ``purge_uploads``.
                await self._bucket.call("abort_multipart_upload", begun.data, UploadId=begun.upload_id)

    async def read(self) -> "AsyncIterator[bytes]":
        record = self._record
        if record.parts:
            await self._finish_parts("")
            place = record.data
        elif record.tail and not self._tail_taken:
            place = record.tail
        else:
            yield b"".join(self._gathered)
            return
        async for piece in self._driver.read_plain(place, 0, self.offset):
            yield piece

    async def commit(self, key: str, /) -> "ObjectInfo":
        try:
            info = await self._publish(key)
        except BaseException:
            # The same request may be made again, so it must find the upload as it was before.
            await self.rollback()
            raise
        self._done = True
        with contextlib.suppress(StorageError):
            # The bytes are published, whatever happens now. If the record stays, it is left to ``purge_uploads``.
            await self._clear()
        self._driver.held.discard(self._place)
        return info

    async def abort(self) -> None:
        if not self._done:
            await self._arrived()
            self._done = True
            try:
                await self._clear()
            finally:
                self._driver.held.discard(self._place)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if not self._done:
                await self.suspend()
        finally:
            self._driver.held.discard(self._place)
        if not self._done:
            await self._drop_replaced()

    async def suspend(self) -> None:
        await self._settle()
        record = self._record
        if self._gathered or self._tail_taken:
            await self._store_tail()
        record.note = self.note
        if self._etag is None or record != self._saved:
            self._replaced.add(self._saved.tail)
            await self._save(record)

    async def _drop_replaced(self) -> None:
        for tail in self._replaced - {"", self._saved.tail}:
            with contextlib.suppress(StorageError):
                # The record is written. What stays goes with the upload.
                await self._bucket.call("delete_object", tail)

    async def _store_tail(self) -> None:
        record, tail = self._record, b"".join(self._gathered)
        place = part = ""
        if tail:
            place = f"{record.data}-{uuid.uuid4().hex}"
            await self._bucket.put(place, tail)
            if record.parts:
                part = await self._upload_part(len(record.parts) + 1, tail)
        record.tail, record.tail_size, record.tail_part = place, len(tail), part
        self._gathered, self._size, self._tail_taken = [], 0, False

    async def _save(self, record: Record) -> None:
        """Write a record, unless somebody else went on with the upload meanwhile."""
        absent = self._etag is None
        try:
            info = await self._driver.put(self._place, record.encode(), if_match=self._etag, if_absent=absent)
        except (PreconditionFailed, AlreadyExists) as error:
            await self._drop_own()
            raise Busy("somebody else went on with the upload") from error
        self._etag, self._saved = info.etag, record.copy()

    async def _drop_own(self) -> None:
        """Remove what was sent since the upload was opened, and leave the rest to who went on with it."""
        self._done = True
        mine, opened = self._record, self._opened
        with contextlib.suppress(StorageError):
            # What stays goes with the upload, or with the next purge.
            if mine.upload_id != opened.upload_id:
                await self._bucket.call("abort_multipart_upload", mine.data, UploadId=mine.upload_id)
            if mine.tail and mine.tail != opened.tail:
                await self._bucket.call("delete_object", mine.tail)

    async def _clear(self) -> None:
        """Remove what is not published, and the record last."""
        record = self._record
        if self._complete:
            record.upload_id = ""
        if record.upload_id or record.tail or self._etag is not None:
            await self.drop(self._driver, record)
            await self._bucket.call("delete_object", self._place)

    async def _go_on(self) -> None:
        """Prepare for more bytes."""
        record = self._record
        if record.target and (record.parts or record.tail):
            raise await self._gone("its commit was cut short")
        if record.target:
            await self.drop(self._driver, record)
            self._record = Record(record.part_size, self._driver.new_place())
            await self._save(self._record)
            self._opened = self._saved
        else:
            await self._take_tail()

    async def _take_tail(self) -> None:
        """Gather the bytes of the tail, so that they are sent again."""
        record = self._record
        if record.tail and not self._tail_taken:
            answer = await self._bucket.call("get_object", record.tail)
            self._gathered = [await self._bucket.run(answer["Body"].read)]
            self._size, self._tail_taken = record.tail_size, True

    async def _gone(self, reason: str) -> StorageUnavailable:
        """Drop an upload that nobody can go on with, so that whoever tries is told so from now on."""
        await self.abort()
        return StorageUnavailable(f"the upload is dropped, and must begin anew: {reason}")

    async def _send(self) -> None:
        """Send a part while the next is gathered."""
        record = self._record
        if any(task.done() and task.exception() for task in self._sending):
            await self._settle()
        if not record.upload_id:
            answer = await self._bucket.call("create_multipart_upload", record.data, **self._bucket.placement())
            record.upload_id = answer["UploadId"]
        await self._driver.in_flight.take(record.part_size)
        # Nothing is awaited from here on, so that a cancellation finds the part taken and being sent, or neither.
        record.parts.append("")
        self._sending.append(asyncio.create_task(self._send_now(len(record.parts), self._cut())))

    async def _send_now(self, number: int, part: bytes) -> None:
        record = self._record
        try:
            record.parts[number - 1] = await self._upload_part(number, part)
        finally:
            await self._driver.in_flight.give_back(record.part_size)

    def _cut(self) -> bytes:
        """Take one part from what is gathered."""
        over = self._size - self._record.part_size
        last = self._gathered.pop()
        part = b"".join([*self._gathered, last[: len(last) - over]])
        self._gathered, self._size = ([last[-over:]] if over else []), over
        return part

    async def _upload_part(self, number: int, part: bytes) -> str:
        record = self._record
        answer = await self._bucket.call(
            "upload_part", record.data, UploadId=record.upload_id, PartNumber=number, Body=part
        )
        return str(answer["ETag"])

    async def _arrived(self) -> list[BaseException]:
        """Wait for the parts on their way; give what kept some of them from arriving."""
        if not self._sending:
            return []
        await asyncio.wait(self._sending)
        sending, self._sending = self._sending, []
        return [error for task in sending if (error := task.exception()) is not None]

    async def _settle(self) -> None:
        """Wait for the parts on their way. If one was lost, the upload is as it was opened."""
        if lost := await self._arrived():
            await self.rollback()
            if isinstance(lost[0], NotFound):
                raise await self._gone(str(lost[0])) from lost[0]
            raise lost[0]

    async def _publish(self, key: str) -> "ObjectInfo":
        record = self._record
        if record.parts:
            await self._finish_parts(key)
            return await self._driver.point(key, record.data, self.offset)
        if record.tail and not self._tail_taken:
            await self._announce(key)
            return await self._driver.point(key, record.tail, self.offset)
        return await self._driver.put_whole(key, b"".join(self._gathered))

    async def _announce(self, key: str) -> None:
        """Write down what is to be published; all else in the record stays as it was opened."""
        self._record.target = key
        announced = self._opened.copy()
        announced.target, announced.upload_id = key, self._record.upload_id
        await self._save(announced)
        self._opened = self._saved

    async def _finish_parts(self, key: str) -> None:
        """Make the parts one object, which is to be published at a key if that is known."""
        parts = [] if self._complete else await self._all_parts()
        await self._announce(key)
        if not self._complete:
            await self._complete_parts(parts)
            self._complete = True

    async def _complete_parts(self, parts: list[str]) -> None:
        record = self._record
        try:
            await self._bucket.call(
                "complete_multipart_upload",
                record.data,
                UploadId=record.upload_id,
                MultipartUpload={"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(parts, 1)]},
            )
        except NotFound as error:
            if isinstance(error, PartLost) and record.tail_part and not self._tail_taken:
                # Another server went on behind the tail, with a part of the same number, and died before it said so.
                record.tail_part = ""
                await self._complete_parts(await self._all_parts())
            # An earlier attempt may have done it, and its answer got lost.
            elif not await self._driver.has(record.data, self.offset):
                raise await self._gone(str(error)) from error

    async def _all_parts(self) -> list[str]:
        """Send what is left, and give the ETags of all parts."""
        record = self._record
        if not record.tail_part:
            await self._take_tail()
        last = [record.tail_part] if record.tail and not self._tail_taken else []
        if self._gathered:
            last = [await self._upload_part(len(record.parts) + 1, b"".join(self._gathered))]
        await self._settle()
        return [*record.parts, *last]
