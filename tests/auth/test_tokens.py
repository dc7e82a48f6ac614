"""Tokens: what is issued, and what is refused."""

import asyncio
import json
import secrets
import threading
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth import jws
from auth.action import Action
from auth.credentials import Account
from auth.errors import AuthUnavailable, CredentialsRefused
from auth.issuer import IssuerTrust
from auth.jwk import PublicKey, jwk, read_set
from auth.owners import TokenOwners
from auth.policy import Policy, Rule
from auth.principal import ANONYMOUS, Decision, Grant, Principal
from auth.scope import Scope
from auth.signing import SigningKeys
from auth.token_issuer import TokenIssuer, _access, _grant_last
from auth.tokens import Authority, Tokens
from registry.state import StoredState
from tests.auth.forging import (
    NOW,
    PARTIES,
    Accounts,
    Book,
    PrivateKey,
    algorithm,
    authority,
    b64,
    claims,
    key_set,
    kid,
    raw,
    token,
)
from tests.parts.clock import Clock

ED25519 = ed25519.Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OURS: list[PrivateKey] = [ED25519, P256, RSA]
STRANGER = ed25519.Ed25519PrivateKey.generate()

OUR_PARTIES = PARTIES._replace(overtime=0)
ALICE = Principal("alice", frozenset({"team"}))
PULL_ONLY = Policy([Rule("rule 1", ("alice",), ("team/*",), frozenset({Action.PULL}))], "the policy")


class Memory:
    """The keys of a JWK Set that is at hand."""

    def __init__(self, data: bytes) -> None:
        self._keys = read_set(data)

    async def find(self, name: str, /) -> PublicKey | None:
        return self._keys.get(name)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    """What checks the tokens of another issuer, who has a key of each type."""
    return Tokens(IssuerTrust(None, Memory(key_set(*OURS)), now=clock), PARTIES, now=clock)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def keys(state: StoredState, clock: Clock) -> SigningKeys:
    return SigningKeys(state, "EdDSA", 24 * 3600, now=clock)


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def ours(keys: SigningKeys, book: Book, accounts: Accounts, clock: Clock) -> Authority:
    return Authority(keys, book, TokenOwners(accounts, clock=clock))


@pytest.fixture
def issuer(ours: Authority, clock: Clock) -> TokenIssuer:
    return TokenIssuer(ours, OUR_PARTIES, 300, now=clock)


@pytest.fixture
def checking(ours: Authority, clock: Clock) -> Tokens:
    """What checks our own tokens."""
    return Tokens(ours.keys, OUR_PARTIES, authority=ours, now=clock)


def payload(text: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return found


async def test_a_token_says_what_the_specification_wants(issuer: TokenIssuer, keys: SigningKeys) -> None:
    issued = await issuer.issue(ALICE, ["repository:team/app:push,pull,fly", "registry:catalog:*", "what:is:this"])
    found = payload(issued.token)
    assert (found["iss"], found["aud"], found["sub"]) == (*PARTIES[:2], "alice")
    assert [found[name] for name in ("iat", "nbf", "exp")] == [NOW, NOW, NOW + 300]
    assert found["access"] == [
        {"type": "repository", "name": "team/app", "actions": ["pull", "push"]},
        {"type": "registry", "name": "catalog", "actions": ["*"]},
    ]
    assert issued.scope == "repository:team/app:pull,push registry:catalog:*"
    assert (issued.issued_at, issued.expires_in) == (NOW, 300)
    assert jwt.get_unverified_header(issued.token)["kid"] == (await keys.current()).kid
    assert issued.token not in repr(issued)
    again = await issuer.issue(ALICE, [])
    assert payload(again.token)["jti"] != found["jti"]


async def test_a_star_is_all_that_the_rules_allow(issuer: TokenIssuer, book: Book) -> None:
    assert (await issuer.issue(ALICE, ["repository:team/app:*"])).scope == "repository:team/app:delete,pull,push"
    book.value = PULL_ONLY
    asked = ["repository:team/app:*", "repository:other:*", "registry:catalog:*"]
    assert (await issuer.issue(ALICE, asked)).scope == "repository:team/app:pull"


def asking(number: int, pattern: str = "many/r{:05}") -> list[str]:
    return [f"repository:{pattern.format(each)}:pull,push" for each in range(number)]


@pytest.mark.parametrize("number", [10, 128, 129, 400, 1000])
async def test_a_token_covers_all_that_fits_into_a_header(issuer: TokenIssuer, checking: Tokens, number: int) -> None:
    issued = await issuer.issue(ALICE, asking(number))
    assert (issued.left_out, issued.malformed) == (0, 0)
    caller = await checking.verify(issued.token)
    assert all(caller.may(Action.PUSH, f"many/r{each:05}").allowed for each in range(number))


@pytest.mark.parametrize("number", [1500, 5000])
@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
async def test_what_a_client_asks_for_last_is_in_a_token_that_holds_no_more(
    state: StoredState, book: Book, clock: Clock, number: int, algorithm: str
) -> None:
    keys = SigningKeys(state, algorithm, 24 * 3600, now=clock)  # type: ignore[arg-type]
    issued = await TokenIssuer(authority(keys, book), PARTIES, 300, now=clock).issue(
        ALICE, ["no scope", *asking(number)]
    )
    names = [each["name"] for each in payload(issued.token)["access"]]
    assert names == [f"many/r{each:05}" for each in range(issued.left_out, number)]
    assert 1000 < len(names) < 1500
    assert jws.LONGEST - 2048 < len(issued.token) <= jws.LONGEST
    assert issued.malformed == 1
    caller = await Tokens(keys, PARTIES, authority=authority(keys, book), now=clock).verify(issued.token)
    assert caller.may(Action.PUSH, names[-1]).allowed


async def test_what_the_rules_do_not_allow_takes_no_room(issuer: TokenIssuer, book: Book) -> None:
    book.value = PULL_ONLY
    issued = await issuer.issue(ALICE, ["repository:team/app:pull", *asking(4000, "x" * 200 + "{:05}")])
    assert (issued.scope, issued.left_out) == ("repository:team/app:pull", 0)


@given(st.lists(st.tuples(st.text("abc/", min_size=1, max_size=255), st.booleans()), max_size=40), st.integers(0, 9000))
def test_the_last_that_are_allowed_and_fit_are_granted(asked: list[tuple[str, bool]], room: int) -> None:
    allowed = {name for name, is_allowed in asked if is_allowed}
    rules = Policy([Rule("it", ("alice",), (name,), frozenset({Action.PULL})) for name in allowed], "it")
    scopes = [Scope("repository", name, frozenset({"pull", "push"})) for name, _ in asked]
    granted, left = _grant_last(rules, ALICE, scopes, room)
    assert granted == [each._replace(actions=frozenset({"pull"})) for each in scopes[left:] if each.name in allowed]
    sizes = [
        len(json.dumps(_access(each._replace(actions=frozenset({"pull"}))), separators=(",", ":"))) + 1
        for each in scopes
        if each.name in allowed
    ]
    taken = sum(sizes[len(sizes) - len(granted) :])
    assert taken <= room
    if left:
        assert scopes[left - 1].name in allowed
        assert taken + sizes[-len(granted) - 1] > room


async def test_rules_are_asked_about_many_scopes_in_a_thread(keys: SigningKeys, clock: Clock, checking: Tokens) -> None:
    """So that nobody waits for one who asks about thousands."""
    threads = set()

    class Asked(Book):
        def decide(self, *_: object) -> Decision:
            threads.add(threading.current_thread())
            return Decision(True, "it is")

        async def current(self) -> Any:
            return self

    issuer = TokenIssuer(authority(keys, Asked()), PARTIES, 300, now=clock)
    issued = await issuer.issue(ALICE, asking(1000))
    assert threads.isdisjoint({threading.current_thread()})
    assert (await checking.verify(issued.token)).may(Action.PUSH, "many/r00000").allowed


async def test_claims_are_not_read_before_the_signature_is_right(tokens: Tokens) -> None:
    """They may be 100 KiB of JSON."""
    with pytest.raises(CredentialsRefused, match="signature"):
        await tokens.verify(raw(STRANGER, HEADER, b"{" * 90_000))
    with pytest.raises(CredentialsRefused, match="own header is longer"):
        await tokens.verify(raw(ED25519, HEADER[:-1] + b" " * 30_000 + b"}", CLAIMS))


async def test_who_may_nothing_gets_a_token_for_nothing(issuer: TokenIssuer, checking: Tokens) -> None:
    issued = await issuer.issue(ANONYMOUS, ["repository:team/app:pull"])
    assert issued.scope == ""
    caller = await checking.verify(issued.token)
    assert caller.principal == ANONYMOUS
    assert caller.may(Action.PING).allowed
    assert not caller.may(Action.PULL, "team/app").allowed


async def test_the_rules_are_asked_at_each_request(issuer: TokenIssuer, checking: Tokens, book: Book) -> None:
    issued = await issuer.issue(ALICE, ["repository:team/app:pull,push"])
    caller = await checking.verify(issued.token)
    assert caller.principal.name == "alice"
    assert caller.may(Action.PUSH, "team/app").allowed
    assert not caller.may(Action.DELETE, "team/app").allowed
    assert not caller.may(Action.PULL, "team/other").allowed
    assert not caller.may(Action.CATALOG).allowed
    book.value = PULL_ONLY
    assert not caller.may(Action.PUSH, "team/app").allowed
    assert caller.may(Action.PULL, "team/app").allowed


async def test_a_token_of_a_key_is_for_what_the_key_is_for(
    issuer: TokenIssuer, checking: Tokens, book: Book, accounts: Accounts
) -> None:
    book.value = PULL_ONLY
    machine = Principal("key:ci", grants=(Grant(("ci/*",), frozenset({Action.PULL})),))
    accounts.changed["key:ci"] = Account(machine, "its secret")
    issued = await issuer.issue(machine, ["repository:ci/app:pull,push", "repository:team/app:pull"])
    assert issued.scope == "repository:ci/app:pull"
    caller = await checking.verify(issued.token)
    assert caller.principal == machine
    assert caller.may(Action.PULL, "ci/app").allowed


GONE = [
    (None, "alice, who is not known any more"),
    (Account(ALICE, "another password"), "alice, whose password or key has changed since"),
]


@pytest.mark.parametrize("account", GONE, ids=["removed", "changed"])
async def test_a_token_ends_with_the_account_of_its_owner(
    issuer: TokenIssuer, checking: Tokens, accounts: Accounts, clock: Clock, account: tuple[Account | None, str]
) -> None:
    now_is, why = account
    issued = await issuer.issue(ALICE, [])
    assert "fingerprint" not in json.dumps(payload(issued.token))
    await checking.verify(issued.token)
    accounts.changed["alice"] = now_is
    clock.now += 3
    with pytest.raises(CredentialsRefused, match=why):
        await checking.verify(issued.token)
    if now_is is None:
        with pytest.raises(CredentialsRefused, match="alice is not known any more"):
            await issuer.issue(ALICE, [])


async def test_its_owner_is_in_the_groups_of_now(
    issuer: TokenIssuer, checking: Tokens, accounts: Accounts, clock: Clock
) -> None:
    issued = await issuer.issue(ALICE, [])
    moved = Principal("alice", frozenset({"others"}))
    accounts.changed["alice"] = Account(moved, "fingerprint")
    clock.now += 3
    assert (await checking.verify(issued.token)).principal == moved


@pytest.mark.parametrize("name", ["oidc:acme-ci", "cert:host1", ""])
async def test_whom_others_vouch_for_has_no_account(
    issuer: TokenIssuer, checking: Tokens, accounts: Accounts, name: str
) -> None:
    principal = Principal(name, frozenset({"ci"} if name else ()))
    issued = await issuer.issue(principal, [])
    assert (await checking.verify(issued.token)).principal == principal
    assert accounts.asked == 0


async def test_accounts_hold_for_five_minutes_while_nobody_can_be_asked(
    issuer: TokenIssuer, checking: Tokens, accounts: Accounts, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    issued = await issuer.issue(ALICE, [])
    accounts.changed = {name: AuthUnavailable("no LDAP") for name in ("alice", "bob")}
    clock.now += 290
    assert (await checking.verify(issued.token)).principal.name == "alice"
    assert caplog.messages == ["the account of alice cannot be asked for, so what it was still holds: no LDAP"]
    clock.now += 11
    with pytest.raises(AuthUnavailable):
        await issuer.issue(ALICE, [])
    with pytest.raises(AuthUnavailable):
        await issuer.issue(Principal("bob"), [])


async def test_an_account_is_asked_for_once_a_second(
    issuer: TokenIssuer, ours: Authority, accounts: Accounts, clock: Clock
) -> None:
    several = [(await issuer.issue(ALICE, [])).token for _ in range(5)]
    checking = Tokens(ours.keys, OUR_PARTIES, authority=ours, now=clock)
    for asked in (1, 2, 3):
        await asyncio.gather(*(checking.verify(each) for each in several * 2))
        assert accounts.asked == asked
        clock.now += 2.5


async def test_nobody_waits_for_a_slow_directory_who_was_known_two_seconds_ago(clock: Clock) -> None:
    answers = [asyncio.get_running_loop().create_future() for _ in range(2)]

    async def ask(_name: str) -> Account | None:
        found: Account | None = await answers.pop(0)
        return found

    first, second = answers
    owners = TokenOwners(ask, clock=clock)
    first.set_result(Account(ALICE, "fingerprint"))
    assert await owners.account("alice")
    clock.now += 1.9
    assert await owners.account("alice")
    clock.now += 0.1
    waiting = asyncio.ensure_future(owners.account("alice"))
    await asyncio.sleep(0)
    assert not waiting.done()
    second.set_result(None)
    assert await waiting is None


async def test_our_tokens_are_good_for_as_long_as_they_say(issuer: TokenIssuer, checking: Tokens, clock: Clock) -> None:
    issued = await issuer.issue(ALICE, [])
    clock.now += issued.expires_in - 1
    await checking.verify(issued.token)
    clock.now += 1
    with pytest.raises(CredentialsRefused, match="expired"):
        await checking.verify(issued.token)


async def test_our_tokens_need_our_claim(keys: SigningKeys, checking: Tokens) -> None:
    current = await keys.current()
    with pytest.raises(CredentialsRefused, match="preg"):
        await checking.verify(token(current.private, claims()))


@pytest.mark.parametrize("key", OURS, ids=algorithm)
async def test_a_right_token_allows_what_it_says(tokens: Tokens, key: PrivateKey) -> None:
    caller = await tokens.verify(token(key))
    assert caller.principal == Principal("alice")
    assert caller.may(Action.PUSH, "team/app").allowed
    assert "repository:team/app:pull,push" in caller.may(Action.DELETE, "team/app").reason
    assert not caller.may(Action.DELETE, "team/app").allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["another", PARTIES.audience]},
        {"nbf": None, "iat": None, "jti": None, "access": None, "sub": None},
        {"access": []},
        {"access": [{"type": "repository", "name": "x", "actions": None}]},
        {"exp": NOW - 59},
        {"nbf": NOW + 60, "iat": NOW + 60},
        {"exp": 10**40},
        {"more": {"of": ["anything", 1.5]}},
    ],
    ids=str,
)
async def test_tokens_may_differ(tokens: Tokens, changes: dict[str, Any]) -> None:
    assert (await tokens.verify(token(ED25519, claims(**changes)))).may(Action.PING).allowed


@pytest.mark.parametrize("typ", [None, "at+jwt", "anything"])
async def test_the_type_does_not_matter(tokens: Tokens, typ: str | None) -> None:
    await tokens.verify(token(ED25519, typ=typ))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None},
        {"aud": "another"},
        {"aud": []},
        {"aud": [1]},
        {"aud": 1},
        {"aud": {}},
        {"aud": PARTIES.audience + "/"},
        {"iss": None},
        {"iss": "another"},
        {"iss": [PARTIES.issuer]},
        {"iss": 1},
        {"exp": None},
        {"exp": NOW - 60},
        {"exp": 0},
        {"exp": -(10**40)},
        {"exp": float(NOW + 300)},
        {"exp": str(NOW + 300)},
        {"exp": True},
        {"exp": [NOW + 300]},
        {"nbf": NOW + 61},
        {"nbf": float(NOW)},
        {"nbf": str(NOW)},
        {"iat": NOW + 61},
        {"iat": float(NOW)},
        {"iat": "now"},
        {"sub": 1},
        {"sub": "alice\n"},
        {"sub": "ali\x00ce"},
        {"access": {}},
        {"access": "repository:team/app:pull"},
        {"access": [{"type": "repository", "name": "team/app", "actions": "pull"}]},
        {"access": [{"type": "repository", "name": ["team/app"], "actions": ["pull"]}]},
        {"access": [{"type": "repository"}]},
        {"access": [None]},
        {"jti": 1},
    ],
    ids=str,
)
async def test_wrong_claims_are_refused(tokens: Tokens, changes: dict[str, Any]) -> None:
    with pytest.raises(CredentialsRefused):
        await tokens.verify(token(ED25519, claims(**changes)))


def hmac_token(secret: bytes, alg: str = "HS256", name: str = "") -> str:
    """What confuses a library that takes a public key for a secret."""
    header = {"alg": alg, "kid": name or kid(RSA)}
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims()).encode())}"
    signature = jwt.get_algorithm_by_name(alg).sign(signed.encode(), secret)
    return f"{signed}.{b64(signature)}"


def hmac_tokens() -> list[str]:
    found = []
    for key in OURS:
        public = key.public_key()
        for encoding in (Encoding.PEM, Encoding.DER):
            secret = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            found += [hmac_token(secret, alg, kid(key)) for alg in ("HS256", "HS384", "HS512")]
        found.append(hmac_token(json.dumps(jwk(public)).encode(), name=kid(key)))
    raw_key = ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return [*found, hmac_token(raw_key, name=kid(ED25519)), hmac_token(b"", name=kid(ED25519))]


@pytest.mark.parametrize("text", hmac_tokens(), ids=lambda text: str(len(text)))
async def test_a_public_key_is_no_secret(tokens: Tokens, text: str) -> None:
    with pytest.raises(CredentialsRefused, match="algorithm that its key is not for"):
        await tokens.verify(text)


def with_header(**fields: Any) -> str:
    return token(ED25519, **fields)


def embedded(key: PrivateKey) -> str:
    return token(key, jwk=jwk(key.public_key()))


HEADER = json.dumps({"alg": "EdDSA", "kid": kid(ED25519)}).encode()
CLAIMS = json.dumps(claims()).encode()
RIGHT = token(ED25519)
#: Made once: ECDSA signs the same differently each time.
RIGHTS = [token(key) for key in OURS]
FORGED: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "dots": lambda: "..",
    "one part": lambda: "abc",
    "four parts": lambda: RIGHT + ".abc",
    "no signature": lambda: RIGHT.rpartition(".")[0] + ".",
    "padded": lambda: RIGHT + "==",
    "with a line feed": lambda: RIGHT + "\n",
    "with spaces": lambda: f" {RIGHT}",
    "not ASCII": lambda: RIGHT[:-1] + "\u00e9",
    "digits that only look like some": lambda: RIGHT[:-1] + "\uff11",
    "a lone surrogate": lambda: RIGHT[:-1] + "\udc80",
    "alg none": lambda: with_header(alg="none"),
    "alg None": lambda: with_header(alg="None"),
    "alg none without signature": lambda: ".".join((b64(b'{"alg":"none"}'), b64(CLAIMS), "")),
    "alg missing": lambda: with_header(alg=None),
    "alg of another type": lambda: with_header(alg=["EdDSA"]),
    "alg of another key": lambda: with_header(alg="RS256"),
    "alg unknown": lambda: with_header(alg="EdDSA2"),
    "kid unknown": lambda: token(STRANGER),
    "kid of another key": lambda: token(STRANGER, kid=kid(ED25519)),
    "kid of a key of another type": lambda: with_header(kid=kid(RSA)),
    "kid missing": lambda: with_header(kid=None),
    "kid empty": lambda: with_header(kid=""),
    "kid of another type": lambda: with_header(kid=[kid(ED25519)]),
    "jwk of a stranger": lambda: embedded(STRANGER),
    "jwk of a stranger under our kid": lambda: token(STRANGER, kid=kid(ED25519), jwk=jwk(STRANGER.public_key())),
    "jwk of a stranger with our kid in it": lambda: token(
        STRANGER, kid=None, jwk={**jwk(STRANGER.public_key()), "kid": kid(ED25519)}
    ),
    "jwk symmetric": lambda: with_header(kid=None, jwk={"kty": "oct", "k": "AAAA"}),
    "jwk empty": lambda: with_header(kid=None, jwk={}),
    "jwk that is none": lambda: with_header(jwk="key"),
    "jwk of lists": lambda: with_header(kid=None, jwk={"kty": ["OKP"], "crv": [], "x": {}}),
    "x5c that is none": lambda: with_header(x5c="AAAA"),
    "jku": lambda: token(STRANGER, jku="https://evil.test/keys"),
    "crit": lambda: with_header(crit=["exp"]),
    "crit empty": lambda: with_header(crit=[]),
    "b64": lambda: with_header(b64=False, crit=["b64"]),
    "header twice alg": lambda: raw(ED25519, HEADER[:-1] + b',"alg":"none"}', CLAIMS),
    "claim twice": lambda: raw(ED25519, HEADER, CLAIMS[:-1] + b',"exp":9999999999}'),
    "claim twice deep inside": lambda: raw(ED25519, HEADER, CLAIMS[:-1] + b',"a":[{"b":1,"b":2}]}'),
    "claims are a list": lambda: raw(ED25519, HEADER, b"[]"),
    "claims are a text": lambda: raw(ED25519, HEADER, b'"x"'),
    "claims are nothing": lambda: raw(ED25519, HEADER, b"null"),
    "claims are not JSON": lambda: raw(ED25519, HEADER, b"{"),
    "claims are not UTF-8": lambda: raw(ED25519, HEADER, b'{"a":"\xff"}'),
    "claims are UTF-16": lambda: raw(ED25519, HEADER, CLAIMS.decode().encode("utf-16")),
    "claims with infinity": lambda: raw(ED25519, HEADER, CLAIMS[:-1] + b',"x":Infinity}'),
    "exp is not a number": lambda: raw(ED25519, HEADER, CLAIMS.replace(str(NOW + 300).encode(), b"NaN")),
    "exp is enormous": lambda: raw(ED25519, HEADER, CLAIMS.replace(str(NOW + 300).encode(), b"9" * 5000)),
    "exp is 1e400": lambda: raw(ED25519, HEADER, CLAIMS.replace(str(NOW + 300).encode(), b"1e400")),
    "a bomb of lists": lambda: raw(ED25519, HEADER, b"[" * 40_000),
    "a bomb of objects": lambda: raw(ED25519, HEADER, b'{"a":' * 8_000),
    "a bomb in the header": lambda: raw(ED25519, b'{"jwk":' * 6_000, CLAIMS),
    "a closed bomb": lambda: raw(ED25519, HEADER, CLAIMS[:-1] + b',"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "127 KiB": lambda: token(ED25519, claims(more="x" * 98_000)),
    "a megabyte": lambda: "a" * 500_000 + "." + "b" * 500_000 + ".c",
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_is_refused(tokens: Tokens, name: str) -> None:
    text = FORGED[name]()
    with pytest.raises(CredentialsRefused) as caught:
        await tokens.verify(text)
    assert len(str(caught.value)) < 300
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("key", OURS, ids=algorithm)
async def test_a_key_that_is_trusted_may_be_in_the_token(tokens: Tokens, key: PrivateKey) -> None:
    assert (await tokens.verify(token(key, kid=None, jwk=jwk(key.public_key())))).principal.name == "alice"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_token_survives_a_change(tokens: Tokens, data: st.DataObject) -> None:
    text = RIGHTS[data.draw(st.integers(0, 2))]
    place = data.draw(st.integers(0, len(text) - 1))
    removed = data.draw(st.integers(0, 2))
    added = data.draw(st.text(st.characters(min_codepoint=0, max_codepoint=0x2FF), max_size=2))
    changed = text[:place] + added + text[place + removed :]
    if changed != text:
        with pytest.raises(CredentialsRefused):
            await tokens.verify(changed)


@pytest.mark.parametrize("index", range(3))
async def test_each_bit_counts(tokens: Tokens, index: int) -> None:
    text = RIGHTS[index]
    for place in range(len(text)):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        with pytest.raises(CredentialsRefused):
            await tokens.verify(changed)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.binary(max_size=60), claimed=st.binary(max_size=60))
async def test_any_bytes_are_refused_even_if_signed(tokens: Tokens, header: bytes, claimed: bytes) -> None:
    for text in (raw(ED25519, header, claimed), raw(ED25519, HEADER, claimed), raw(ED25519, header, CLAIMS)):
        with pytest.raises(CredentialsRefused):
            await tokens.verify(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("alg", "kid", "jwk", "x5c", "typ")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.dictionaries(st.sampled_from(FIELDS), json_values), signer=st.sampled_from([ED25519, STRANGER]))
async def test_any_header_is_refused_or_that_of_our_key(
    tokens: Tokens, fields: dict[str, Any], signer: PrivateKey
) -> None:
    try:
        await tokens.verify(token(signer, **fields))
    except CredentialsRefused:
        return
    assert signer is ED25519


class Counting(Memory):
    """Keys that a test can withdraw."""

    asked = 0

    async def find(self, name: str, /) -> PublicKey | None:
        self.asked += 1
        return await super().find(name)


async def test_a_verified_token_is_not_looked_at_again_for_two_seconds(clock: Clock) -> None:
    keys = Counting(key_set(ED25519))
    tokens = Tokens(IssuerTrust(None, keys), PARTIES, now=clock)
    text = token(ED25519)
    first = await tokens.verify(text)
    clock.now += 1.9
    assert await tokens.verify(text) is first
    assert keys.asked == 1
    for step in (0.2, -1, 3):
        asked, clock.now = keys.asked, clock.now + step
        await tokens.verify(text)
        assert keys.asked == asked + 1
    clock.now = NOW + 359
    await tokens.verify(text)
    clock.now += 1
    with pytest.raises(CredentialsRefused, match="expired"):
        await tokens.verify(text)


async def test_a_key_that_is_withdrawn_ends_the_tokens_that_were_seen_already(clock: Clock) -> None:
    keys = Counting(key_set(ED25519))
    tokens = Tokens(IssuerTrust(None, keys), PARTIES, now=clock)
    text = token(ED25519, claims(exp=NOW + 10**8))
    await tokens.verify(text)
    keys._keys = {}
    clock.now += 2
    with pytest.raises(CredentialsRefused, match="key that its issuer is not known to have"):
        await tokens.verify(text)


async def test_what_is_remembered_is_bounded(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auth.tokens._REMEMBERED", 3)
    for _ in range(10):
        await tokens.verify(token(ED25519, claims(jti=secrets.token_hex(4))))
    assert len(tokens._remembered) == 3
    monkeypatch.setattr("auth.tokens._REMEMBERED_BYTES", 10_000)
    for size in (1, 5000, 4000, 1):
        await tokens.verify(token(ED25519, claims(more="x" * size)))
    assert 0 < tokens._remembered_bytes <= 10_000
    assert len(tokens._remembered) == 2
