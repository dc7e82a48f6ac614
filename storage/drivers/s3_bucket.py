"""One bucket as boto3 sees it: settings, threads, and errors in our words. boto3 is used here and nowhere else."""

import asyncio
import base64
import contextlib
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

import boto3
import msgspec
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection
from botocore.config import Config

from storage.driver import ObjectInfo
from storage.drivers.s3_answer import WholeResponse
from storage.drivers.s3_errors import Conflict, translated
from storage.errors import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

_THREADS: Final = 32
#: A contended conditional write may take 13 seconds on SeaweedFS. All attempts together end before the minute that
#: proxies and clients commonly wait for an answer.
_READ_TIMEOUT: Final = 15
_CONNECT_TIMEOUT: Final = 5
_ATTEMPTS: Final = 3
#: What S3 takes as a part, unless it is the last.
_PART_LEAST: Final = 5 * 1024**2
_PART_MOST: Final = 5 * 1024**3
#: What an answer says, if it is whole; boto3 leaves out in silence what did not come.
_SAID: Final = {
    "head_object": ("ContentLength", "ETag", "LastModified"),
    "get_object": ("ContentLength", "ETag"),
    "put_object": ("ETag",),
    "create_multipart_upload": ("UploadId",),
    "upload_part": ("ETag",),
    "complete_multipart_upload": ("ETag",),
    "list_objects_v2": ("IsTruncated",),
    "list_multipart_uploads": ("IsTruncated",),
}

# It is botocore that makes the connections, and it has no setting for this.
AWSHTTPConnection.response_class = WholeResponse  # type: ignore[assignment]  # the stubs know botocore's own only
AWSHTTPSConnection.response_class = WholeResponse  # type: ignore[assignment]

# It warns of each connection that it does not keep, and a download has one of its own however many there are.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the query of an ``s3://BUCKET/PREFIX?...`` URL may say; what it does not say is not sent."""

    endpoint: str | None = None
    public_endpoint: str | None = None
    region: str | None = None
    addressing_style: Literal["auto", "path", "virtual"] | None = None
    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key_id: str | None = None
    part_size: Annotated[int, msgspec.Meta(ge=_PART_LEAST, le=_PART_MOST)] = 16 * 1024**2


class Bucket:
    """A bucket below a prefix. Credentials come from boto3's own chain and from nowhere else.

    Payloads are not signed and checksums are ours: by default boto3 hashes every body twice.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            self.options = msgspec.convert(dict(parse_qsl(parts.query)), Options, strict=False)
        except msgspec.ValidationError as error:
            raise StorageUnavailable(f"the URL's query is wrong: {error}") from error
        if "@" in parts.netloc:
            raise StorageUnavailable("credentials cannot stand in the URL: put them where AWS tools look for them")
        if not parts.netloc:
            raise StorageUnavailable("the URL names no bucket: it is to be s3://BUCKET/PREFIX")
        self.name = parts.netloc
        self.prefix = prefix + "/" if (prefix := parts.path.strip("/")) else ""
        self._pool = ThreadPoolExecutor(_THREADS, "s3")
        public = self.options.public_endpoint
        try:
            self._client = translated(partial(self._connect, self.options.endpoint))
            # The host is part of what is signed, so it takes a client of its own.
            self._public = translated(partial(self._connect, public)) if public else self._client
        except ValueError as error:
            raise StorageUnavailable(f"the URL's query is wrong: {error}") from error

    async def call(self, operation: str, key: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation on one object. Raises StorageError."""
        return await self.call_bucket(operation, Key=self.prefix + key, **arguments)

    async def call_bucket(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation on the bucket itself. Raises StorageError."""
        function = getattr(self._client, operation)
        answer: dict[str, Any] = await self.run(partial(function, Bucket=self.name, **arguments))
        for field in _SAID.get(operation, ()):
            if field not in answer:
                raise StorageUnavailable(f"the store's answer to {operation} lacks {field}")
        return answer

    async def put(self, key: str, body: bytes, **conditions: Any) -> dict[str, Any]:
        """Write an object in one call; the store verifies its SHA-256. Raises Refused where a condition fails."""
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        arguments = {"Body": body, "ChecksumSHA256": checksum, **self.placement(), **conditions}
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(Conflict):
                return await self.call("put_object", key, **arguments)
        raise StorageUnavailable("others keep writing to the same key")

    def placement(self) -> dict[str, str]:
        """Say how a new object is to be kept, as far as that was configured."""
        wanted = {
            "StorageClass": self.options.storage_class,
            "ServerSideEncryption": self.options.sse,
            "SSEKMSKeyId": self.options.sse_kms_key_id,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    async def run(self, function: "Callable[[], R]") -> "R":
        """Call a function that may block. Raises StorageError for whatever boto3 raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, translated, function)

    async def presign(self, key: str, lifetime: float) -> str:
        """Sign a GET of an object, for those who reach the store at ``public_endpoint`` if that is set."""
        arguments = {"Bucket": self.name, "Key": self.prefix + key}
        sign = partial(self._public.generate_presigned_url, "get_object", Params=arguments, ExpiresIn=int(lifetime))
        return str(await self.run(sign))

    def close(self) -> None:
        """Let go of threads and connections."""
        self._pool.shutdown()
        self._client.close()

    def _connect(self, endpoint: str | None) -> Any:
        style = self.options.addressing_style or ("path" if endpoint else "auto")
        handling: Any = {"payload_signing_enabled": False, "addressing_style": style}
        return boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=self.options.region,
            config=Config(
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3=handling,
                max_pool_connections=_THREADS,
                connect_timeout=_CONNECT_TIMEOUT,
                read_timeout=_READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            ),
        )


def written(key: str, size: int, answer: dict[str, Any]) -> ObjectInfo:
    """Describe an object from the store's answer to its writing."""
    try:
        date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError) as error:
        raise StorageUnavailable("the store's answer to a write lacks its date") from error
    return ObjectInfo(key, size, date.timestamp(), answer["ETag"])
