"""What keeps a caller out. No message holds a secret: each may be logged and sent."""


class AuthError(Exception):
    """A fault of credentials or of what they are checked against."""


class CredentialsRefused(AuthError):
    """A wrong user or password, a key or token that is malformed, unknown, expired, revoked or not for us.

    The message is for the log. Callers are told that they are refused, and not which of these it was.
    """


class TooManyFailures(AuthError):
    """Too many wrong passwords are being tried at this moment; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many failed logins: try again later")
        self.retry_after = retry_after


class AuthUnavailable(AuthError):
    """What credentials are checked against cannot be reached now: a plug-in's directory, a store, an issuer's keys."""


class AuthMisconfigured(AuthError):
    """A policy, a file of users or a key that cannot be used; the message names the file, the place and the cure."""
