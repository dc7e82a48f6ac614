"""Whether a client is sent to the storage to fetch a blob by itself."""

import re
from typing import Final


class Redirects:
    """The clients that are redirected, and for how many seconds a URL is good; none with a ``lifetime`` of zero."""

    def __init__(self, lifetime: float = 0.0, except_user_agents: str = "") -> None:
        self.lifetime = lifetime
        self._excepted = re.compile(except_user_agents) if except_user_agents else None

    def include(self, user_agent: str) -> bool:
        """Tell whether a client is redirected."""
        return self.lifetime > 0 and (self._excepted is None or self._excepted.search(user_agent) is None)


NO_REDIRECTS: Final = Redirects()
