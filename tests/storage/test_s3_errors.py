"""What a user is told when a store refuses, answers nonsense, or does not answer."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
import botocore.auth
import pytest

from storage.drivers.s3 import S3Driver
from storage.errors import PreconditionFailed, StorageUnavailable
from storage.guard import Guard
from storage.probe import Finding, Outcome, probe
from tests.parts.canned import Canned, answering
from tests.parts.moto import moto
from tests.parts.seaweed import ACCESS, Seaweed, seaweed
from tests.parts.tls import Authority

SECRET = "made-up-secret"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of the caller's AWS settings, and keys that SeaweedFS does not know."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "made-up-key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture(scope="module")
def seaweed_server() -> Iterator[Seaweed]:
    with seaweed() as server:
        yield server


@pytest.fixture
def store(seaweed_server: Seaweed, environment: pytest.MonkeyPatch) -> Seaweed:
    """A real store, with credentials that it knows."""
    for name, value in ACCESS.items():
        environment.setenv(name, value)
    return seaweed_server


async def problems(url: str) -> list[Finding]:
    """What the probe has to say against a store."""
    guard = Guard(S3Driver(url))
    try:
        findings = await probe(guard)
    finally:
        await guard.aclose()
    assert not any(
        SECRET in finding.reason or ACCESS["AWS_SECRET_ACCESS_KEY"] in finding.reason for finding in findings
    )
    return [finding for finding in findings if finding.outcome is not Outcome.OK]


async def refused(url: str) -> str:
    """Why a store cannot be written to; that is all there is to say of it."""
    (finding,) = await problems(url)
    assert (finding.step, finding.outcome) == ("write", Outcome.FAILED)
    return finding.reason


def at(server: Canned) -> str:
    return f"s3://bucket/prefix?endpoint={server.endpoint}&region=us-east-1"


def error(code: str, message: str = "", **more: str) -> bytes:
    """What S3 answers to a request that it does not grant."""
    children = {"Code": code, "Message": message, **more}
    return f"<Error>{''.join(f'<{name}>{value}</{name}>' for name, value in children.items())}</Error>".encode()


class TestSeaweed:
    """A real store that is asked what it will not do."""

    async def test_all_is_well(self, store: Seaweed) -> None:
        assert await problems(store.url()) == []

    async def test_a_key_that_the_store_does_not_know(self, store: Seaweed, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("AWS_ACCESS_KEY_ID", "made-up-key")
        assert "the store does not know the access key: check AWS_ACCESS_KEY_ID" in await refused(store.url())

    async def test_a_secret_that_is_wrong(self, store: Seaweed, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        assert "the secret key is wrong" in await refused(store.url())

    async def test_a_clock_that_is_wrong(self, store: Seaweed, environment: pytest.MonkeyPatch) -> None:
        now = botocore.auth.get_current_datetime
        environment.setattr(
            botocore.auth, "get_current_datetime", lambda *args, **more: now(*args, **more).replace(year=2020)
        )
        assert "this host's clock is wrong: the store's says" in await refused(store.url())

    @pytest.mark.parametrize(
        ("actions", "steps", "permission"),
        [
            (["s3:PutObject"], ["write"], "s3:PutObject"),
            (["s3:DeleteObject"], ["delete"], "s3:DeleteObject"),
            (["s3:ListBucket"], ["list"], "s3:ListBucket"),
            (["s3:ListBucket", "s3:DeleteObject"], ["list", "delete"], "s3:ListBucket"),
        ],
    )
    async def test_a_permission_that_is_lacking(
        self, store: Seaweed, actions: Sequence[str], steps: list[str], permission: str
    ) -> None:
        with denied(store, actions):
            found = await problems(store.url())
        assert [finding.step for finding in found] == steps
        assert f"the credentials do not allow {permission}: grant it" in found[0].reason


@contextlib.contextmanager
def denied(store: Seaweed, actions: Sequence[str]) -> Iterator[None]:
    """A bucket's policy that forbids some actions to everybody, for the length of a `with`."""
    client: Any = boto3.session.Session().client("s3", endpoint_url=store.endpoint, region_name="us-east-1")
    resources = ["arn:aws:s3:::preg", "arn:aws:s3:::preg/*"]
    rule = {"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": resources}
    client.put_bucket_policy(Bucket="preg", Policy=json.dumps({"Version": "2012-10-17", "Statement": [rule]}))
    try:
        yield
    finally:
        client.delete_bucket_policy(Bucket="preg")
        client.close()


@pytest.fixture(scope="module")
def moto_endpoint() -> Iterator[str]:
    with moto() as endpoint:
        yield endpoint


class TestMoto:
    """What AWS does and SeaweedFS does otherwise: it makes a bucket that is missing, and lists folders together."""

    async def test_a_bucket_that_is_missing(self, moto_endpoint: str) -> None:
        reason = await refused(f"s3://nowhere?endpoint={moto_endpoint}&region=us-east-1")
        assert reason == "the bucket does not exist: create it, or correct its name (NoSuchBucket)"

    async def test_listings_are_in_key_order_whatever_the_order_of_the_store(self, moto_endpoint: str) -> None:
        client: Any = boto3.session.Session().client("s3", endpoint_url=moto_endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="ordered")
        client.close()
        store = Guard(S3Driver(f"s3://ordered/below?endpoint={moto_endpoint}&region=us-east-1"))
        keys = ["do-a/x", "do.a/x", "do/a", "do/a-b/y", "do0/z"]
        for key in reversed(keys):
            await store.put(key, b"")
        assert [info.key async for info in store.list("")] == keys
        assert [info.key async for info in store.list("", start_after="do/a")] == keys[3:]
        assert [name async for name in store.children("")] == ["do/", "do-a/", "do.a/", "do0/"]
        assert [name async for name in store.children("", start_after="do")] == ["do-a/", "do.a/", "do0/"]
        with pytest.raises(PreconditionFailed, match="there is no object at the key"):
            await store.put("absent", b"", if_match='"etag"')
        await store.aclose()


class TestAnswers:
    """Answers that neither SeaweedFS nor moto can be brought to give."""

    @pytest.mark.parametrize(
        ("status", "code", "region"),
        [
            (400, "AuthorizationHeaderMalformed", "body"),
            (301, "PermanentRedirect", "header"),
            (400, "IllegalLocationConstraintException", "header"),
        ],
    )
    async def test_another_region_is_named(self, status: int, code: str, region: str) -> None:
        body = error(code, "another region", **({"Region": "eu-west-1"} if region == "body" else {}))
        headers = {"x-amz-bucket-region": "eu-west-1"} if region == "header" else {}
        with answering(status, body, headers) as server:
            reason = await refused(at(server))
        assert reason == f"the bucket is in another region: say region=eu-west-1 in the URL ({code})"

    async def test_another_region_that_is_not_named(self) -> None:
        with answering(400, error("AuthorizationHeaderMalformed", "expecting another")) as server:
            assert "correct region= in the URL; expecting another" in await refused(at(server))

    async def test_a_store_that_asks_to_slow_down_is_asked_again_and_then_unavailable(self) -> None:
        with answering(503, error("SlowDown", "Please reduce your request rate.")) as server:
            assert await refused(at(server)) == "SlowDown: Please reduce your request rate."
            assert len(server.requests) > 1
            store = Guard(S3Driver(at(server)))
            with pytest.raises(StorageUnavailable, match="SlowDown"):
                await store.get("key", limit=1)
            await store.aclose()

    async def test_another_conditional_write_that_never_ends(self) -> None:
        with answering(409, error("ConditionalRequestConflict", "being written")) as server:
            assert await refused(at(server)) == "others keep writing to the same key"
            assert len(server.requests) > 1

    @pytest.mark.parametrize(
        ("status", "body"),
        [(301, b""), (401, b""), (404, b"<html>well-formed</html>"), (404, b"<html><hr>not quite"), (405, b"text")],
    )
    async def test_a_web_server_that_is_no_store(self, status: int, body: bytes) -> None:
        with answering(status, body) as server:
            reason = await refused(at(server))
        assert "correct endpoint= in the URL" in reason
        assert ("redirects" if status == 301 else "no S3 store") in reason

    async def test_a_bare_403_names_the_permission(self) -> None:
        with answering(403) as server:
            store = Guard(S3Driver(at(server)))
            with pytest.raises(StorageUnavailable, match="s3:GetObject: grant it"):
                await store.stat("key")
            await store.aclose()

    async def test_a_store_that_is_full(self) -> None:
        with answering(507, error("XMinioStorageFull", "Storage backend has reached its limit.")) as server:
            assert "has reached its limit" in await refused(at(server))


class TestSilence:
    """No answer at all, and no request."""

    async def test_nobody_answers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        reason = await refused(f"s3://bucket?endpoint=http://{SECRET}:{SECRET}@127.0.0.1:{port}")
        assert f"nobody answers at http://127.0.0.1:{port}: correct endpoint= in the URL" in reason
        assert reason.endswith("(Connection refused)")

    async def test_a_name_that_does_not_resolve(self) -> None:
        assert "nobody answers at http://store.invalid" in await refused("s3://bucket?endpoint=http://store.invalid")

    async def test_no_credentials(self, environment: pytest.MonkeyPatch) -> None:
        environment.delenv("AWS_ACCESS_KEY_ID")
        environment.delenv("AWS_SECRET_ACCESS_KEY")
        assert (await refused("s3://bucket?endpoint=http://127.0.0.1")).startswith("no credentials were found: check")

    def test_credentials_in_the_url(self) -> None:
        with pytest.raises(StorageUnavailable, match="credentials cannot stand in the URL") as caught:
            S3Driver(f"s3://key:{SECRET}@bucket/prefix")
        assert SECRET not in str(caught.value)

    async def test_a_name_that_no_bucket_can_have(self) -> None:
        assert await refused("s3://a bucket?region=us-east-1") == "no bucket can have the name that the URL gives it"

    def test_a_region_that_is_none(self) -> None:
        with pytest.raises(StorageUnavailable, match=r"^Provided region_name 'a b' doesn't match"):
            S3Driver("s3://bucket?region=a b")

    def test_an_endpoint_that_is_none(self) -> None:
        with pytest.raises(StorageUnavailable, match="the URL's query is wrong: Invalid endpoint: nonsense"):
            S3Driver("s3://bucket?endpoint=nonsense")

    def test_a_profile_that_is_not_there(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(StorageUnavailable, match=r"^The config profile \(nobody\) could not be found"):
            S3Driver("s3://bucket")

    async def test_a_certificate_of_an_authority_that_is_not_known(
        self, authority: Authority, environment: pytest.MonkeyPatch
    ) -> None:
        with answering(404, error("NoSuchBucket"), authority=authority) as server:
            reason = await refused(at(server))
            assert f"the certificate of {server.endpoint} is not accepted (" in reason
            assert reason.endswith("name its authority's file in AWS_CA_BUNDLE")
            environment.setenv("AWS_CA_BUNDLE", str(authority.ca))
            assert "the bucket does not exist" in await refused(at(server))

    @pytest.mark.parametrize("bundle", ["/nowhere/ca.pem", os.devnull])
    async def test_a_file_of_authorities_that_is_none(self, bundle: str, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("AWS_CA_BUNDLE", bundle)
        with answering(404) as server:
            reason = await refused(at(server).replace("http:", "https:"))
        assert reason == "the file that AWS_CA_BUNDLE names is missing, or has no certificate in it"

    async def test_tls_where_there_is_none(self) -> None:
        with answering(404) as server:
            reason = await refused(at(server).replace("http:", "https:"))
        assert "speaks no TLS (" in reason
        assert reason.endswith("is it http://?")
