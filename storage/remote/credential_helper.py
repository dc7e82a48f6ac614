"""Programs that keep credentials for Docker (docker-credential-helpers, "Development")."""

import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from storage.remote.credentials import Credentials, CredentialsUnreadable

if TYPE_CHECKING:
    from pathlib import Path

#: The user by which a helper says that the secret is an identity token.
_TOKEN_USER: Final = "<token>"  # noqa: S105 - the protocol's word
#: All a helper has to say when it knows nothing of a registry.
_UNKNOWN: Final = "credentials not found"
#: In seconds. A helper may have to ask a person to unlock a key.
_PATIENCE: Final = 120


class _Kept(msgspec.Struct, rename="pascal"):
    username: str = ""
    secret: str = ""


class CredentialHelper(NamedTuple):
    """The program ``docker-credential-NAME``; ``file`` is where it is configured. A registry is named by its key there.

    Every method raises CredentialsUnreadable if the program is missing, fails, does not end, or answers nonsense.
    """

    name: str
    file: "Path"

    def get(self, key: str) -> Credentials | None:
        """Look up a registry."""
        done = self._call("get", key)
        if done.returncode != 0 and _UNKNOWN in done.stdout.lower():
            return None
        self._check(done)
        try:
            kept = msgspec.json.decode(done.stdout, type=_Kept)
        except msgspec.MsgspecError as error:
            # The answer itself is not shown: it may hold the secret.
            raise self._fault("gave an answer that cannot be understood") from error
        if not kept.secret:
            return None
        if kept.username == _TOKEN_USER:
            return Credentials("", "", kept.secret)
        return Credentials(kept.username, kept.secret)

    def store(self, key: str, credentials: Credentials) -> None:
        """Keep the credentials of a registry in place of those it had."""
        user = _TOKEN_USER if credentials.identity_token else credentials.user
        secret = credentials.identity_token or credentials.password
        kept = {"ServerURL": key, "Username": user, "Secret": secret}
        self._check(self._call("store", msgspec.json.encode(kept).decode()), secret)

    def erase(self, key: str) -> None:
        """Forget the credentials of a registry."""
        self._check(self._call("erase", key))

    def _call(self, action: str, given: str) -> "subprocess.CompletedProcess[str]":
        if "/" in self.name or not self.name.isprintable():
            raise CredentialsUnreadable(f"{self.file}: {self.name!r} is no name of a credential helper")
        try:
            # What it has to ask of a person it says on stderr, so that is not taken from it.
            return subprocess.run(
                [f"docker-credential-{self.name}", action],
                input=given,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self._fault(f"has not answered '{action}' for {_PATIENCE} seconds") from error
        except OSError as error:
            raise self._fault(f"cannot be started ({error.strerror}): install it, or remove it from there") from error

    def _check(self, done: "subprocess.CompletedProcess[str]", secret: str = "") -> None:
        if done.returncode == 0:
            return
        said = " ".join(done.stdout.split())[:200]
        if (secret and secret in done.stdout) or said.startswith("{"):
            said = ""
        raise self._fault(f"failed at '{done.args[1]}' with status {done.returncode}" + (f": {said}" if said else ""))

    def _fault(self, what: str) -> CredentialsUnreadable:
        return CredentialsUnreadable(f"docker-credential-{self.name}, which {self.file} names, {what}")
