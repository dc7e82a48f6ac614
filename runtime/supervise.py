"""Run a child in our place: it gets our streams and our signals, we get its exit status."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

_FORWARDED: Final = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGALRM,
        signal.SIGCONT,
        signal.SIGWINCH,
        signal.SIGPIPE,
        signal.SIGURG,
    }
)
#: ``si_code`` of a signal that a person's key press sent: the terminal gave it to the child as well.
_SI_KERNEL: Final = 0x80


def supervise(command: list[str], environ: Mapping[str, str], *, stdin: bool, stderr: bool = True) -> int:
    """Run a command to its end and give its exit status, 128 plus the signal's number if one ended it.

    Without ``stdin`` or ``stderr`` that is ``/dev/null``. Signals stay blocked afterwards, so that nobody interrupts
    what must be cleaned up.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGCHLD})
    actions = [
        (os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0)
        for stream, passed_on in ((0, stdin), (2, stderr))
        if not passed_on
    ]
    child = os.posix_spawn(
        command[0],
        command,
        environ,
        file_actions=actions,
        setsigmask=(),
        # Python ignores these two, and what is ignored stays so in the child.
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
    )
    while True:
        came = signal.sigwaitinfo(_FORWARDED | {signal.SIGCHLD})
        if came.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        elif came.si_code != _SI_KERNEL:
            with suppress(ProcessLookupError):
                os.kill(child, came.si_signo)
