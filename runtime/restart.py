"""When a container that ended is started again by itself: Docker's policies and Docker's patience."""

from __future__ import annotations

from runtime.container import Restart
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.container import State

POLICIES: Final = ("no", "on-failure", "always", "unless-stopped")
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 60.0
#: Who has run for so long has recovered.
_RECOVERED: Final = 10.0


def read_restart(text: str) -> Restart:
    """Read ``POLICY`` or ``on-failure:RETRIES``. Raises UsageError."""
    policy, colon, retries = text.partition(":")
    policy = policy or "no"
    if policy not in POLICIES or (colon and (policy != "on-failure" or not retries.isdecimal())):
        raise UsageError(f"--restart {text}: a policy is no, on-failure[:RETRIES], always or unless-stopped")
    return Restart(policy, int(retries or 0))


def is_due(restart: Restart, state: State) -> bool:
    """Tell whether a container that has just ended is to be started again."""
    if state.stopped or restart.policy == "no":
        return False
    if restart.policy == "on-failure":
        return state.exit_code != 0 and (restart.retries == 0 or state.restarts < restart.retries)
    return True


def is_due_at_boot(restart: Restart, state: State) -> bool:
    """Tell whether a container is to be started when its host is."""
    if not state.started:
        return False
    if restart.policy == "always":
        return True
    if restart.policy == "unless-stopped":
        return not state.stopped
    return restart.policy == "on-failure" and state.cut_off


def next_delay(previous: float, ran: float) -> float:
    """Give the seconds to wait before the next start; ``previous`` is 0 before the first."""
    if not previous or ran > _RECOVERED:
        return _FIRST_DELAY
    return min(previous * 2, _LONGEST_DELAY)
