"""Who we are to a registry."""

import base64
from typing import Final, NamedTuple

from storage.oci.errors import RegistryError

DOCKER_HUB: Final = "docker.io"


class CredentialsUnreadable(RegistryError):
    """What keeps credentials, a file or a helper, cannot be understood."""


class Credentials(NamedTuple):
    """A user and password, or instead of the password an identity token that tokens are given for."""

    user: str
    password: str
    identity_token: str = ""

    @property
    def basic(self) -> str:
        """The ``Authorization`` header that shows user and password."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
