"""Options that several commands have."""

from __future__ import annotations

from runtime.cli.options import Family, Option
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.cli.options import Options

PLATFORM: Final = Option("--platform", "Take the image for OS/ARCHITECTURE[/VARIANT] (default: this host)", "PLATFORM")
#: Of an image that is here.
ITS_PLATFORM: Final = Option("--platform", "Only if it is for OS/ARCHITECTURE[/VARIANT]; may be repeated", "PLATFORM")
#: Docker's switch for signatures of Notary, which scripts turn off.
CONTENT_TRUST: Final = Option(
    "--disable-content-trust", "As without: preg checks no signatures of Docker Content Trust"
)
#: How a registry is spoken to: what ``runtime.cli.registries.read_access`` reads.
PLAIN_HTTP: Final = Option("--plain-http", "Speak to the registry without TLS; --plain-http=false: with TLS, here too")
TLS_VERIFY: Final = Option("--tls-verify", "Check its certificate (default); --tls-verify=false: take any, or no TLS")

#: The variables that a process is given: into what has an ``environment``.
VARIABLES: Final = Family(
    "runtime.cli.variables:ask_variables",
    (
        Option("--env", "Set a variable; without =VALUE, to what it is here", "NAME[=VALUE]", "-e"),
        Option("--env-file", "Set the variables of this file, a line each", "FILE"),
    ),
)

DETACH_KEYS: Final = Option(
    "--detach-keys", "Leave what goes on by these keys (default: ctrl-p,ctrl-q)", "KEY[,KEY...]"
)
SIG_PROXY: Final = Option("--sig-proxy", "Pass signals on to it (default); --sig-proxy=false: leave by them")
#: How a person is attached to what runs: into a ``Manner``.
MANNER: Final = Family("runtime.cli.attaching:ask_manner", (DETACH_KEYS, SIG_PROXY))
#: Which streams a person wants to be attached to: into a ``Manner``.
STREAMS: Final = Family(
    "runtime.cli.attaching:ask_streams",
    (Option("--attach", "Attach to stdin, stdout or stderr alone; may be repeated", "STREAM", "-a"),),
)


def refuse_content_trust(options: Options) -> None:
    """Refuse to check signatures, as ``--disable-content-trust=false`` asks for. Raises UsageError."""
    if options.last(CONTENT_TRUST.name) == "false":
        raise UsageError(
            "--disable-content-trust=false: preg checks no signatures; to be sure of an image name it by its digest"
        )
