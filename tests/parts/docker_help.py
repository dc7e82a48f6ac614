"""What the docker command offers, read from its own help."""

import functools
import re
from concurrent.futures import ThreadPoolExecutor

from tests.parts.process import output
from tests.parts.required import required

_COMMAND = re.compile(r"^  ([a-z][a-z-]*)\*? {2,}\S", re.MULTILINE)
_OPTION = re.compile(r"^ +(?:-\w, )?(--[a-z][a-z0-9-]*)", re.MULTILINE)


@functools.cache
def docker_commands() -> dict[str, frozenset[str]]:
    """Every command of docker (``network create``) with its options, without those of plugins."""
    docker = required("docker")
    found: dict[str, frozenset[str]] = {}
    waiting = [""]
    with ThreadPoolExecutor(4) as pool:
        while waiting:
            texts = pool.map(lambda name: output(docker, *name.split(), "--help"), waiting)
            further = []
            for name, text in zip(waiting, texts, strict=True):
                head, _, options = text.partition("\nOptions:\n")
                names = _COMMAND.findall(text if name == "" else head + text.partition("Commands:\n")[2])
                if names:
                    further += [f"{name} {each}".strip() for each in names]
                else:
                    found[name] = frozenset(_OPTION.findall(options))
            waiting = further
    return found
