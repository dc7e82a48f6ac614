"""The server's commands."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from auth.errors import AuthError
from registry import config, logs
from storage.errors import StorageError


def main(arguments: list[str]) -> int:
    """Run ``preg serve`` and say with which code to exit."""
    options = _parser().parse_args(arguments)
    flags = {"server.listen": options.listen, "storage.url": options.storage}
    try:
        settings = config.load(
            options.config, os.environ, {name: value for name, value in flags.items() if value is not None}
        )
        logs.configure()
        # aiohttp is loaded only when there is something to serve.
        from registry.serve import serve  # noqa: PLC0415

        asyncio.run(serve(settings))
    except (config.ConfigError, AuthError, StorageError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"cannot listen on {settings.server.listen}: {error.strerror or error}")
    except UnicodeError as error:  # no host name
        return _fail(f"cannot listen on {settings.server.listen}: {error}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="preg serve",
        description="Serve a container registry. Flags win over PREG_* variables, and those over the file.",
        epilog="example: preg serve --listen 127.0.0.1:5000 --storage ./data",
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings in TOML; see deploy/preg.example.toml")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where to listen; default 127.0.0.1:5000")
    parser.add_argument("--storage", metavar="PATH|URL", help="where content is kept; default /var/lib/preg/registry")
    return parser


def _fail(message: str) -> int:
    sys.stderr.write(f"preg serve: {message}\n")
    return 1
