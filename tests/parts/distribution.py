"""Docker's registry, as Debian has it (2.8.2) and the next release, over a folder or a bucket."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.parts.process import output, running
from tests.parts.required import required
from tests.parts.seaweed import ACCESS
from tests.parts.wire import Wire

#: The program of each release.
PROGRAMS = {"2.8.2": "docker-registry", "3.1.1": "registry"}


@contextlib.contextmanager
def distribution(
    release: str,
    storage: Path | str,
    auth: Mapping[str, Any] | None = None,
    tls: Mapping[str, Any] | None = None,
) -> Iterator[Wire]:
    """A running registry, for a `with`.

    `storage` is what `preg serve --storage` takes, `auth` and `tls` the registry's own sections of these names.
    """
    program = required(PROGRAMS[release])
    with _configured(storage, auth, tls) as config, running([program, "serve", str(config)], _env()) as process:
        said = process.stderr.wait_for(lambda line: '"listening on ' in line)
        address = said.partition('"listening on ')[2].partition('"')[0]
        yield Wire(f"{'https' if tls else 'http'}://{address.removesuffix(', tls')}")


def collect_garbage(release: str, storage: Path | str) -> str:
    """Run the registry's own garbage collection; what it printed."""
    with _configured(storage) as config:
        return output(required(PROGRAMS[release]), "garbage-collect", str(config), env=_env())


@contextlib.contextmanager
def _configured(
    storage: Path | str, auth: Mapping[str, Any] | None = None, tls: Mapping[str, Any] | None = None
) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="preg-distribution-") as folder:
        config = Path(folder, "config.yml")
        # JSON is YAML.
        config.write_text(
            json.dumps(
                {
                    "version": "0.1",
                    # One secret for all: an upload's state is signed with it, and goes on after a restart.
                    "http": {"addr": "127.0.0.1:0", "secret": "tests", **({"tls": tls} if tls else {})},
                    "storage": {
                        **_driver(str(storage)),
                        "delete": {"enabled": True},
                        "redirect": {"disable": True},
                    },
                    **({"auth": auth} if auth else {}),
                }
            )
        )
        yield config


def _driver(storage: str) -> dict[str, Any]:
    url = urlsplit(storage)
    if url.scheme != "s3":
        return {"filesystem": {"rootdirectory": storage}}
    options = parse_qs(url.query)
    return {
        "s3": {
            "bucket": url.netloc,
            "rootdirectory": url.path,
            "regionendpoint": options["endpoint"][0],
            "region": options["region"][0],
            "accesskey": ACCESS["AWS_ACCESS_KEY_ID"],
            "secretkey": ACCESS["AWS_SECRET_ACCESS_KEY"],
            "forcepathstyle": True,
            "secure": False,
        }
    }


def _env() -> dict[str, str]:
    # What the caller's shell says to registries and to the clients of S3 must not reach this one.
    # Release 3 sends traces to a collector unless told not to.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY_", "AWS_"))}
    return {**kept, "OTEL_TRACES_EXPORTER": "none"}
