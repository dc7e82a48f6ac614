"""The server's settings: a TOML file, over it ``PREG_*`` variables, over them flags.

Nothing else in this room reads the environment. Durations are in seconds.
"""

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "PREG_"
_LISTEN: Final = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[^\[\]:]*):([0-9]{1,5})\Z")
_PORT_MOST: Final = 65535
_NO_LISTEN: Final = f"is not HOST:PORT, with a port of at most {_PORT_MOST} and an IPv6 address in brackets"
#: A century, in seconds: TOML has a word for infinity, and neither timers nor dates do.
_LONGEST: Final = 100 * 365 * 24 * 3600.0
#: What may stand between quotes in a challenge.
_Word = Annotated[str, msgspec.Meta(pattern=r"^[!#-\[\]-~]+$")]


class ConfigError(Exception):
    """A setting that is wrong, unknown, or cannot be read; the message names its path."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to listen, and how to stop."""

    listen: str = "127.0.0.1:5000"
    hosts: tuple[str, ...] = ()
    shutdown_timeout: Annotated[float, msgspec.Meta(ge=0, le=_LONGEST)] = 300.0


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where content is kept."""

    url: str = "/var/lib/preg/registry"


class Redirect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether downloads are sent to the storage itself."""

    enabled: bool = False
    lifetime: Annotated[float, msgspec.Meta(ge=1, le=7 * 24 * 3600)] = 1200.0
    except_user_agents: str = ""


class Uploads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a session that nobody writes to is dropped."""

    expire_after: Annotated[float, msgspec.Meta(gt=0, le=_LONGEST)] = 7 * 24 * 3600.0


class Validation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest must satisfy."""

    sparse: bool = False


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged."""

    access: bool = True


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is let in, and what they may do."""

    mode: Literal["none", "htpasswd", "token"] = "none"
    users: str = "/etc/preg/users"
    policy: str = ""
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens: ours, or those of the issuer that ``rootcertbundle`` or ``jwks`` tells us to trust."""

    realm: str = ""
    service: _Word = "preg"
    issuer: str = "preg"
    rootcertbundle: str = ""
    jwks: str = ""
    algorithm: Literal["EdDSA", "ES256", "RS256"] = "EdDSA"
    lifetime: Annotated[int, msgspec.Meta(ge=60, le=24 * 3600)] = 300
    refresh_lifetime: Annotated[float, msgspec.Meta(ge=60, le=_LONGEST)] = 180 * 24 * 3600.0
    rotate_every: Annotated[float, msgspec.Meta(ge=24 * 3600, le=_LONGEST)] = 30 * 24 * 3600.0

    @property
    def external(self) -> bool:
        """Whether another's tokens are taken, and none are issued here."""
        return bool(self.rootcertbundle or self.jwks)


class ClaimRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a token with such claims speaks for."""

    claims: Annotated[dict[str, str], msgspec.Meta(min_length=1)]
    principal: Annotated[str, msgspec.Meta(min_length=1)]
    groups: tuple[str, ...] = ()


class Oidc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An issuer whose identity tokens are taken as passwords."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    issuer: Annotated[str, msgspec.Meta(min_length=1)]
    audience: Annotated[str, msgspec.Meta(min_length=1)]
    rules: Annotated[tuple[ClaimRule, ...], msgspec.Meta(min_length=1)]
    jwks: str = ""


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The certificate to serve with, none for plain HTTP."""

    certificate: str = ""
    key: str = ""
    client_ca: str = ""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings; ``deploy/preg.example.toml`` explains each."""

    server: Server = Server()
    storage: Storage = Storage()
    redirect: Redirect = Redirect()
    uploads: Uploads = Uploads()
    validation: Validation = Validation()
    log: Log = Log()
    auth: Auth = Auth()
    token: Token = Token()
    oidc: tuple[Oidc, ...] = ()
    tls: Tls = Tls()


def load(path: Path | None, environ: "Mapping[str, str]", flags: "Mapping[str, str]") -> Config:
    """Read the settings.

    ``flags`` maps ``section.key`` to a value as text. Raises ConfigError.
    """
    tree = {} if path is None else _read(path)
    for variable, value in environ.items():
        section, _, key = variable.removeprefix(_PREFIX).lower().partition("_")
        if variable.startswith(_PREFIX) and section in Config.__struct_fields__:
            _place(tree, section, key, value)
    for setting, value in flags.items():
        section, _, key = setting.partition(".")
        _place(tree, section, key, value)
    try:
        # Not strict: variables and flags are text. A file's own types are checked by the same rules.
        config = msgspec.convert(tree, Config, strict=False)
        re.compile(config.redirect.except_user_agents)
        _check(config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the configuration is wrong: {error}") from error
    except re.error as error:
        raise ConfigError(f"the configuration is wrong: {error} - at `$.redirect.except_user_agents`") from error
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def _place(tree: dict[str, Any], section: str, key: str, value: str) -> None:
    table = tree.setdefault(section, {})
    if not isinstance(table, dict):
        raise ConfigError(f"the configuration is wrong: only the file can set {key} - at `$.{section}`")
    default = getattr(getattr(Config(), section, None), key, None)
    table[key] = [part.strip() for part in value.split(",")] if isinstance(default, tuple) else value


def _check(config: Config) -> None:
    """Look for settings that contradict each other: what is not in force must not look as if it were."""
    auth, token, tls = config.auth, config.token, config.tls
    external = auth.mode == "token" and token.external
    passwordless = auth.mode == "none" or external
    for wrong, message in (
        (not _is_listen(config.server.listen), f"{config.server.listen!r} {_NO_LISTEN} - at `$.server.listen`"),
        (external and not token.realm, "an issuer of another needs the URL where it issues - at `$.token.realm`"),
        (external and token.issuer == "preg", "an issuer of another needs its name - at `$.token.issuer`"),
        (auth.policy and auth.mode == "none", "a policy needs a mode that knows callers - at `$.auth.mode`"),
        (auth.policy and external, "with another's tokens no policy is asked, they say all - at `$.auth.policy`"),
        (config.oidc and passwordless, "nobody asks for a password here - at `$.oidc`"),
        (bool(tls.certificate) != bool(tls.key), "a certificate and its key come together - at `$.tls`"),
        (tls.client_ca and not tls.certificate, "clients show theirs only to TLS - at `$.tls.client_ca`"),
        (tls.client_ca and passwordless, "no policy asks who shows one - at `$.tls.client_ca`"),
    ):
        if wrong:
            raise ConfigError(f"the configuration is wrong: {message}")


def _is_listen(text: str) -> bool:
    """Tell whether this is an address to listen on; the C library would take a port modulo 65536."""
    match = _LISTEN.match(text)
    return match is not None and int(match[1]) <= _PORT_MOST
