"""`preg storage check`, and the same probe when the server starts."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from registry.storage import open_storage, shown
from storage.probe import Finding, Outcome
from tests.parts.canned import answering
from tests.parts.process import run
from tests.parts.required import ROOT, missing, require_root
from tests.parts.server import SERVE

GOOD = "write       ok\nread        ok\nlist        ok\nconditions  ok\ndelete      ok\nclock       ok\n"
KEYS = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up-secret"}
NO_BUCKET = b"<Error><Code>NoSuchBucket</Code></Error>"
MISSING = "the bucket does not exist: create it, or correct its name (NoSuchBucket)"


def preg(*command: str) -> CompletedProcess[str]:
    """Run a command in an environment without settings of preg or AWS, but for keys that mean nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PREG_"))}
    done = run(*command, env={**kept, **KEYS, "PYTHONPATH": str(ROOT)})
    assert "Traceback" not in done.stderr
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr
    return done


def check(url: Path | str) -> CompletedProcess[str]:
    return preg(sys.executable, "-m", "runtime", "storage", "check", str(url))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that was served once, on a file system that is read-only by now."""
    require_root()
    folder = tmp_path / "mounted"
    folder.mkdir()
    mounted = run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    if mounted.returncode:
        missing(f"a tmpfs cannot be mounted ({mounted.stderr.strip()}): run the suite with CAP_SYS_ADMIN")
    try:
        assert check(folder).returncode == 0
        assert run("mount", "-o", "remount,ro", str(folder)).returncode == 0
        yield folder
    finally:
        run("umount", str(folder))


def test_a_folder(tmp_path: Path) -> None:
    done = check(tmp_path / "data")
    assert (done.returncode, done.stdout, done.stderr) == (0, GOOD, "")


def test_a_read_only_folder(read_only: Path) -> None:
    done = check(read_only)
    assert (done.returncode, done.stdout, done.stderr) == (1, "write       failed: Read-only file system\n", "")
    served = preg(*SERVE, "--storage", str(read_only))
    assert served.returncode == 1
    assert served.stderr == f"preg serve: {read_only} cannot be used: write failed: Read-only file system\n"


def test_a_bucket_that_is_missing() -> None:
    with answering(404, NO_BUCKET) as server:
        url = f"s3://nobucket/prefix?endpoint={server.endpoint}&region=us-east-1"
        done, served = check(url), preg(*SERVE, "--storage", url)
    assert (done.returncode, done.stdout, done.stderr) == (1, f"write       failed: {MISSING}\n", "")
    assert (served.returncode, served.stdout) == (1, "")
    # boto3 logs where it found credentials.
    assert served.stderr.splitlines()[-1] == f"preg serve: s3://nobucket/prefix cannot be used: write failed: {MISSING}"


def test_a_url_that_is_wrong() -> None:
    done = check("s3://bucket?colour=here")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("preg storage check: the URL's query is wrong: ")
    assert "colour" in done.stderr


def test_what_is_no_command() -> None:
    for arguments in ([], ["check"], ["probe", "x"]):
        assert preg(sys.executable, "-m", "runtime", "storage", *arguments).returncode == 2


async def test_what_can_be_done_without_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def findings(_: object) -> list[Finding]:
        return [Finding("write"), Finding("clock", Outcome.WARNING, "it is late")]

    monkeypatch.setattr("registry.storage.probe", findings)
    await (await open_storage(str(tmp_path))).aclose()
    assert caplog.messages == ["storage, clock: it is late"]


def test_a_password_is_not_shown() -> None:
    assert shown("other://user:secret@host/path?token=secret") == "other://host/path"
    assert shown("./a folder?") == "./a folder?"
