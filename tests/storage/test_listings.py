"""What a page of a very long listing asks of the store: calls in proportion to the page, whatever lies around it."""

import asyncio
import contextlib
import io
import os
import tempfile
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from storage.driver import Driver
from storage.drivers.folder import FolderDriver
from storage.drivers.s3 import S3Driver
from storage.drivers.s3_bucket import Bucket
from storage.errors import NotFound
from storage.guard import Guard
from storage.layout import RevisionLink, TagLink
from storage.local import LocalNamespace
from storage.oci.digest import Digest
from storage.oci.reference import Name, Tag
from tests.parts.seaweed import ACCESS, seaweed

Names = AsyncIterator[str]

MANY = 100_000
PAGE = 100
# What is looked at together, and may lie behind the page.
BATCH = 32
# A repository is looked for, and so is what lies below it; a level above it that holds nothing else costs as much
# again, and on S3 there is the question whether a name's beginning is a name, too.
CALLS_PER_NAME = 6
# The page's one name more, by which the server knows of a next page, and the levels on the way down.
CALLS = CALLS_PER_NAME * (PAGE + 1 + BATCH) + 20
LISTINGS_OF_ONE_PREFIX = 3

DIGEST = Digest.of(b"")
MANIFEST = "_manifests/revisions/sha256"
REPOSITORY = Name("tagged")
FIFTH = range(MANY // 5)
TAGS = sorted([f"{kind}{n:05}" for kind in ("build-", "v1.0.", "x", "x-", "y.z_") for n in FIFTH])
# '-' and '.' sort before the slash, so crowds of neighbours lie between a name and what is below it.
REPOSITORIES = sorted(
    ["library", "team"]
    + [f"library-{n:05}" for n in FIFTH]
    + [f"library/{n:05}" for n in FIFTH]
    + [f"org{n:05}/app" for n in FIFTH]
    + [f"team/{n % 100:02}/service.{n:05}" for n in FIFTH]
    + [f"zoo{n:05}{more}" for n in FIFTH[::2] for more in ("", "-tools")]
)
AFTER_TAGS = ["", "!", "build-", "build-10000", "v1.0", "v1.0.19950", "x", "x-", "x09999", "y.z_19998", "z", "\uffff"]
AFTER_REPOSITORIES = [
    "", "!", "library", "library-10000", "library-19999", "library/", "library/10000", "library/19999", "lz",
    "org05000", "org05000/app", "org19990/", "team", "team/", "team/49/service.10049", "zoo", "zoo10000-",
    "zoo10000-tools/x", "zoo19998", "\uffff",
]  # fmt: skip


async def page(names: Names, size: int = PAGE) -> list[str]:
    """The names of a page and one more, as the server takes them."""
    taken: list[str] = []
    async with contextlib.aclosing(cast("AsyncGenerator[str]", names)) as listing:
        async for name in listing:
            taken.append(name)
            if len(taken) > size:
                break
    return taken


def behind(names: Sequence[str], start: str, size: int = PAGE) -> list[str]:
    first = bisect_right(names, start)
    return list(names[first : first + size + 1])


def tags(driver: Driver, start: str) -> Names:
    return LocalNamespace(Guard(driver)).repository(REPOSITORY).tags.list(start)


def repositories(driver: Driver, start: str) -> Names:
    return LocalNamespace(Guard(driver)).repositories(start)


class CountedFolder(FolderDriver):
    """A folder that counts the calls, and the names its listings gave."""

    calls = 0
    given = 0

    async def get(self, key: str, /, *, limit: int) -> bytes:
        self.calls += 1
        return await super().get(key, limit=limit)

    async def holds(self, prefix: str, /) -> bool:
        self.calls += 1
        return await super().holds(prefix)

    async def children(self, prefix: str, /, *, start_after: str = "") -> AsyncIterator[str]:
        self.calls += 1
        async for name in super().children(prefix, start_after=start_after):
            self.given += 1
            yield name


@pytest.fixture(scope="module")
def filled() -> Iterator[Path]:
    """A folder with all of it. Each leaf is a symbolic link to one and the same: that is 100,000 files, not 500,000."""
    with tempfile.TemporaryDirectory(prefix="preg-listings-") as folder:
        leaves = Path(folder, "leaves")
        (leaves / "repository" / MANIFEST).mkdir(parents=True)
        (leaves / "repository" / MANIFEST / "link").write_text(DIGEST)
        (leaves / "tag/current").mkdir(parents=True)
        (leaves / "tag/current/link").write_text(DIGEST)
        top = Path(folder, "store/docker/registry/v2/repositories")
        for above in {os.path.dirname(name) for name in REPOSITORIES}:
            os.makedirs(top / above, exist_ok=True)
        for name in REPOSITORIES:
            if os.path.isdir(top / name):
                os.makedirs(top / name / MANIFEST)
                (top / name / MANIFEST / "link").write_text(DIGEST)
            else:
                os.symlink(leaves / "repository", top / name)
        tagged = top / REPOSITORY / "_manifests/tags"
        tagged.mkdir(parents=True)
        for tag in TAGS:
            os.symlink(leaves / "tag", tagged / tag)
        yield Path(folder, "store")


@pytest.fixture
async def folder(filled: Path) -> AsyncIterator[CountedFolder]:
    driver = CountedFolder(filled)
    yield driver
    await driver.aclose()


async def test_a_page_of_100_000_tags_in_a_folder(folder: CountedFolder) -> None:
    for start in AFTER_TAGS:
        folder.calls = folder.given = 0
        if start < TAGS[-1]:
            assert await page(tags(folder, start)) == behind(TAGS, start)
        # One listing, and each tag's link.
        assert folder.calls <= 1 + PAGE + BATCH, start
        assert folder.given <= PAGE + BATCH, start


async def test_a_page_of_100_000_repositories_in_a_folder(folder: CountedFolder) -> None:
    for start in AFTER_REPOSITORIES:
        folder.calls = folder.given = 0
        assert await page(repositories(folder, start)) == behind(REPOSITORIES, start), start
        assert folder.calls <= CALLS, start
        assert folder.given <= CALLS, start


Order = Literal["AWS", "SeaweedFS"]


class ListedBucket(Bucket):
    """A bucket that holds the same digest at each of its keys, and counts what it is asked.

    Nothing real can be asked this: no server at hand lists as AWS does but moto, which takes minutes for 100,000 keys
    and goes through all of them for each answer. AWS lists in byte order of whole keys and gives a prefix that is
    greater than StartAfter; SeaweedFS lists in the order of its tree, passes over ``x/`` with StartAfter ``x``, and
    gives it with ``x/1``.
    """

    def __init__(self, keys: Sequence[str], order: Order) -> None:
        super().__init__("s3://listed?region=us-east-1")
        self._order = order
        self._held = frozenset(keys)
        self._keys = sorted(keys, key=self._place)
        self.calls = 0
        self.listed = Counter[str]()

    async def call(self, operation: str, key: str, **arguments: Any) -> dict[str, Any]:
        assert (operation, arguments) == ("get_object", {})
        self.calls += 1
        if key not in self._held:
            raise NotFound("no such key")
        return {"Metadata": {}, "ContentLength": len(DIGEST), "Body": io.BytesIO(DIGEST.encode())}

    async def call_bucket(self, operation: str, **arguments: Any) -> dict[str, Any]:
        assert operation == "list_objects_v2"
        self.calls += 1
        self.listed[arguments["Prefix"]] += 1
        return self._list(**arguments)

    def _list(
        self,
        Prefix: str,  # noqa: N803  these five are boto3's names
        Delimiter: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        ContinuationToken: str = "0",  # noqa: N803
        MaxKeys: int = 1000,  # noqa: N803
    ) -> dict[str, Any]:
        contents: list[dict[str, Any]] = []
        prefixes: list[dict[str, str]] = []
        position = max(int(ContinuationToken), bisect_left(self._keys, self._place(Prefix), key=self._place))
        if StartAfter:
            position = max(position, self._behind(Prefix, StartAfter))
        while position < len(self._keys) and self._keys[position].startswith(Prefix):
            if len(contents) + len(prefixes) == MaxKeys:
                token = {"NextContinuationToken": str(position)}
                return {"Contents": contents, "CommonPrefixes": prefixes, "IsTruncated": True, **token}
            key = self._keys[position]
            name, slash, _ = key.removeprefix(Prefix).partition(Delimiter or "\0")
            if not slash:
                contents.append({"Key": key, "Size": 71, "LastModified": datetime.now(UTC), "ETag": ""})
                position += 1
                continue
            if self._order == "SeaweedFS" or f"{Prefix}{name}/" > StartAfter:
                prefixes.append({"Prefix": f"{Prefix}{name}/"})
            position = self._behind_all(f"{Prefix}{name}/")
        return {"Contents": contents, "CommonPrefixes": prefixes, "IsTruncated": False}

    def _place(self, key: str) -> list[str]:
        """What keys are sorted by."""
        return [key] if self._order == "AWS" else key.removesuffix("/").split("/")

    def _behind(self, prefix: str, start: str) -> int:
        if self._order == "SeaweedFS" and "/" not in start.removeprefix(prefix):
            return self._behind_all(f"{start}/")
        return bisect_right(self._keys, self._place(start), key=self._place)

    def _behind_all(self, prefix: str) -> int:
        return bisect_left(self._keys, self._place(f"{prefix}\U0010ffff"), key=self._place)


def listed(keys: list[str], order: Order) -> tuple[S3Driver, ListedBucket]:
    driver = S3Driver("s3://listed?region=us-east-1")
    driver.bucket.close()
    driver.bucket = bucket = ListedBucket(keys, order)
    return driver, bucket


@pytest.mark.parametrize("order", ["AWS", "SeaweedFS"])
async def test_a_page_of_100_000_tags_in_a_bucket(order: Order) -> None:
    driver, bucket = listed([TagLink(REPOSITORY, Tag(tag)).key for tag in TAGS], order)
    for start in AFTER_TAGS:
        bucket.calls = 0
        bucket.listed.clear()
        if start < TAGS[-1]:
            assert await page(tags(driver, start)) == behind(TAGS, start), start
        # One listing, and each tag's link: the page itself tells whether a name's beginning is a name, too.
        assert bucket.calls <= LISTINGS_OF_ONE_PREFIX + PAGE + BATCH, start
        assert max(bucket.listed.values(), default=0) <= LISTINGS_OF_ONE_PREFIX, start
    await driver.aclose()


@pytest.mark.parametrize("order", ["AWS", "SeaweedFS"])
async def test_a_page_of_100_000_repositories_in_a_bucket(order: Order) -> None:
    driver, bucket = listed([RevisionLink(Name(name), DIGEST).key for name in REPOSITORIES], order)
    for start in AFTER_REPOSITORIES:
        bucket.calls = 0
        bucket.listed.clear()
        assert await page(repositories(driver, start)) == behind(REPOSITORIES, start), start
        assert bucket.calls <= CALLS, start
        assert max(bucket.listed.values(), default=0) <= LISTINGS_OF_ONE_PREFIX, start
    await driver.aclose()


async def test_pages_follow_one_another_in_a_real_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    some = sorted({*REPOSITORIES[::200], "library", "team"})
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    with seaweed() as server:
        driver = S3Driver(server.url())
        keys = [RevisionLink(Name(name), DIGEST).key for name in some]
        keys += [TagLink(REPOSITORY, Tag(tag)).key for tag in TAGS[::400]]
        await asyncio.gather(*(driver.put(key, DIGEST.encode()) for key in keys))
        assert await pages(partial(repositories, driver)) == some
        assert await pages(partial(tags, driver)) == TAGS[::400]
        await driver.aclose()


async def pages(listing: Callable[[str], Names]) -> list[str]:
    """All names, page after page; AssertionError where a page is too long or ends too early."""
    found: list[str] = []
    while True:
        taken = await page(listing(found[-1] if found else ""))
        found += taken[:PAGE]
        if len(taken) <= PAGE:
            return found
