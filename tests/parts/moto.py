"""moto: an S3 server that lists and refuses as AWS does, where SeaweedFS does otherwise. It checks no signature."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.parts.process import Process
from tests.parts.required import missing


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """The endpoint of a server without buckets, for the length of a `with`."""
    program = Path(sys.executable).with_name("moto_server")
    if not program.exists():
        missing("moto is not installed: pip install --group test")
    process = Process([str(program), "--host", "127.0.0.1", "--port", "0"], env=os.environ)
    try:
        line = process.stderr.wait_for(lambda line: "Running on http" in line)
        yield line.split()[-1]
    finally:
        process.kill()
