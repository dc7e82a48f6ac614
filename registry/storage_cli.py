"""``preg storage``: looking after the place where a registry's content is kept."""

import argparse
import asyncio
import sys

from storage.errors import StorageError
from storage.plugins import open_driver
from storage.probe import Finding, Outcome, probe


def main(arguments: list[str]) -> int:
    """Run ``preg storage check`` and say with which code to exit: 0 if a registry can be served from there."""
    options = _parser().parse_args(arguments)
    try:
        findings = asyncio.run(_check(options.url))
    except StorageError as error:
        sys.stderr.write(f"preg storage check: {error}\n")
        return 1
    for step, outcome, reason in findings:
        sys.stdout.write(f"{step:<12}{outcome.value}{reason and f': {reason}'}\n")
    return int(any(finding.outcome is Outcome.FAILED for finding in findings))


async def _check(url: str) -> list[Finding]:
    store = open_driver(url)
    try:
        return await probe(store)
    finally:
        await store.aclose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="preg storage", description="Look after the storage of a registry.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    check = commands.add_parser(
        "check",
        help="try out what a registry needs",
        description="Write, read, list and delete an object, and say what does not work and what to do about it. "
        "'preg serve' does the same when it starts. A folder that is not there is made.",
        epilog="example: preg storage check 's3://BUCKET/PREFIX?endpoint=URL&region=REGION'",
    )
    check.add_argument("url", metavar="PATH|URL", help="what --storage of 'preg serve' is to be")
    return parser
