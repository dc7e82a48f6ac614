"""Programs that speak the protocol of Docker's credential helpers, and some that only begin to."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

_KEEPS = """\
import json, pathlib, sys
file = pathlib.Path(sys.argv[1])
kept = json.loads(file.read_text()) if file.exists() else {}
action, given = sys.argv[2], sys.stdin.read()
if action == "store":
    entry = json.loads(given)
    kept[entry["ServerURL"]] = entry
elif given not in kept:
    print("credentials not found in native keychain")
    sys.exit(1)
elif action == "get":
    print(json.dumps(kept[given]))
elif action == "erase":
    del kept[given]
file.write_text(json.dumps(kept))
"""


class Helpers:
    """Helpers in ``folder``, which is to be put on PATH. The one called ``keeps`` works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = folder / "kept.json"
        folder.mkdir(parents=True)
        (folder / "keeps.py").write_text(_KEEPS)
        self.add("keeps", f'exec {shlex.join([sys.executable, str(folder / "keeps.py"), str(self._kept)])} "$1"')

    @property
    def kept(self) -> dict[str, Any]:
        """What ``keeps`` was given to keep, by registry."""
        return dict(json.loads(self._kept.read_text())) if self._kept.exists() else {}

    def add(self, name: str, script: str) -> None:
        """Install ``docker-credential-NAME``, a shell script."""
        program = self.folder / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
