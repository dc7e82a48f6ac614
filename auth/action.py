"""What a request does, as far as permissions go."""

import enum


class Action(enum.StrEnum):
    """What a route needs; every route of ``registry.http.routes`` names one."""

    PING = "ping"
    """Nothing but being known, where callers must be known at all."""
    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    CATALOG = "catalog"
