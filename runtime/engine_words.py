"""What an OCI runtime says when it cannot start a process, as a sentence for whoever asked for that.

Nothing here is needed unless something has failed.
"""

from __future__ import annotations

import re

from runtime.errors import CommandNotExecutable, CommandNotFound, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: What is said before what is wrong: a time by crun, what it was about by runc.
_PREFIX: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\S+: |(?:runc )?\w+ failed: |unable to start container process: |error during container init: "
)
_MOUNT: Final = "{0} cannot be mounted at /{1} in the container: {2}"
#: What is wrong, and how preg says it; the last group is the kernel's word for it.
_SENTENCES: Final = (
    (re.compile(r"(?is)executable file `([^`]*)` not found in \$PATH(?:: .*)?"), CommandNotFound, "{0}"),
    (re.compile(r'(?is)exec: "([^"]*)": executable file not found in \$PATH'), CommandNotFound, "{0}"),
    (re.compile(r'(?is)exec: "([^"]*)": (?:stat [^:]*: )?(no such file or directory)'), CommandNotFound, "{0}: {1}"),
    (re.compile(r"(?is)exec[^`]*`([^`]*)`: (no such file or directory)"), CommandNotFound, "{0}: {1}"),
    (re.compile(r"(?is)(?:exec|open executable)\b.*: (no such file or directory)"), CommandNotFound, "{0}"),
    (re.compile(r'(?is)exec: "([^"]*)": (?:stat [^:]*: )?(.*)'), CommandNotExecutable, ": {0}: {1}"),
    (re.compile(r"(?is)(?:exec|open executable)\b.*: ([^:]*)"), CommandNotExecutable, ": {0}"),
    (re.compile(r"(?is)chdir `([^`]*)`: (.*)"), CommandNotExecutable, " in its directory {0}: {1}"),
    (re.compile(r'(?is)chdir to cwd \("([^"]*)"\).*: ([^:]*)'), CommandNotExecutable, " in its directory {0}: {1}"),
    (re.compile(r"(?is)mount `([^`]*)` to `([^`]*)`: (.*)"), Fault, _MOUNT),
    (re.compile(r'(?is)error mounting "([^"]*)" to rootfs at "/([^"]*)":.*: ([^:]*)'), Fault, _MOUNT),
    (
        re.compile(r"(?is)(?:openat2?|mkdir|mknod|stat) `/?([^`]*)`: (.*)"),
        Fault,
        "/{0} cannot be made or opened in the container: {1}",
    ),
    (re.compile(r"(?is)(?:open|write|write to) /proc/sys/(\S+): (.*)"), Fault, "--sysctl {0}: {1}"),
    (
        re.compile(r"(?is).*oom_score_adj: ([^:]*)"),
        Fault,
        "--oom-score-adj: this host does not let preg set it: {0}",
    ),
    (
        re.compile(r"(?is).*cpuset\.(cpus|mems)`?: ([^:]*)"),
        Fault,
        "--cpuset-{0}: this host does not let preg use all of them: {1}",
    ),
)
_BEFORE: Final = {
    CommandNotFound: "the container's command was not found: ",
    CommandNotExecutable: "the container's command cannot be executed",
    Fault: "",
}


def explain(message: str, engine: str) -> Fault:
    """Sort a failure as Docker does, by whether the command was reached, and say what it is."""
    said = message.strip()
    while found := _PREFIX.match(said):
        said = said[found.end() :]
    for pattern, kind, sentence in _SENTENCES:
        found = pattern.fullmatch(said)
        if found:
            return kind(_BEFORE[kind] + sentence.format(*found.groups()))
    return Fault(f"{engine} could not run the container: {said}")
