"""Passwords: which are right, that checking them disturbs nobody, and what is remembered."""

import asyncio
import threading
from hashlib import sha256

import bcrypt
import pytest

from auth import passwords
from auth.errors import AuthMisconfigured
from auth.passwords import NOBODY, Passwords, hash_password, is_hash, matches, spoil
from tests.parts.clock import Clock

#: Of jBCrypt's tests.
VECTORS = [
    ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
]


def bcrypt_hash(password: bytes) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()


class Hashing:
    """Counts how often a password is hashed, and in which threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[str] = []
        real = matches

        def counted(password: str, hashed: str) -> bool:
            self.threads.append(threading.current_thread().name)
            return real(password, hashed)

        monkeypatch.setattr(passwords, "matches", counted)


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Hashing:
    return Hashing(monkeypatch)


def test_a_hash_made_here_is_argon2id_and_salted() -> None:
    first, second = hash_password("secret"), hash_password("secret")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert is_hash(first)
    assert matches("secret", first)
    assert not matches("secre", first)


@pytest.mark.parametrize(("password", "hashed"), VECTORS)
def test_bcrypt_hashes_of_others(password: str, hashed: str) -> None:
    assert is_hash(hashed)
    for kind in ("$2a$", "$2y$"):
        assert matches(password, hashed.replace("$2a$", kind))
        assert not matches(password + "x", hashed.replace("$2a$", kind))


@pytest.mark.parametrize("hashed", [hash_password("secret"), bcrypt_hash(b"secret")], ids=["argon2id", "bcrypt"])
def test_a_spoilt_hash_is_of_no_password_and_costs_as_much(hashed: str) -> None:
    spoilt = spoil(hashed)
    assert is_hash(spoilt)
    assert not matches("secret", spoilt)
    parameters_and_salt = hashed.rpartition("$")[0] if "argon2" in hashed else hashed[:29]
    assert spoilt.startswith(parameters_and_salt)


@pytest.mark.parametrize("password", ["päss", "🔑", "a" * 1000, " spaces ", "a:b"])
def test_passwords_of_every_kind(password: str) -> None:
    assert matches(password, hash_password(password))
    hashed = bcrypt_hash(password.encode()[:72])
    for kind in ("$2a$", "$2b$", "$2y$"):
        assert matches(password, hashed.replace("$2b$", kind))
        assert not matches("x" + password, hashed.replace("$2b$", kind))


def test_bcrypt_looks_at_72_bytes_as_htpasswd_does() -> None:
    hashed = bcrypt_hash(b"a" * 72)
    assert matches("a" * 72, hashed)
    assert matches("a" * 80, hashed)
    assert not matches("a" * 71, hashed)


@pytest.mark.parametrize("password", ["", "two\nlines", "a\0b", "tab\t", "\x7f"])
def test_what_no_client_could_send_is_not_hashed(password: str) -> None:
    with pytest.raises(AuthMisconfigured, match="one line of printable characters"):
        hash_password(password)


def test_no_password_is_cut_at_a_zero_byte() -> None:
    assert not matches("secret\0tail", bcrypt_hash(b"secret"))
    assert not matches("\0", bcrypt_hash(b""))
    assert not matches("secret\0", hash_password("secret"))


@pytest.mark.parametrize("password", ["", "x", "\0", "\ud800"])
def test_nobodys_hash_is_of_no_password_and_costs_as_much_as_ours(password: str) -> None:
    assert is_hash(NOBODY)
    assert not matches(password, NOBODY)
    assert NOBODY.split("$")[:4] == hash_password("x").split("$")[:4]


@pytest.mark.parametrize(
    "text", ["", "x", "$2y$", "$2x$05$" + "a" * 53, "$2y$99$" + "a" * 53, NOBODY + "$", NOBODY + "\n"]
)
def test_what_is_no_hash(text: str) -> None:
    assert not is_hash(text)


async def test_hashing_is_done_in_threads_of_its_own(hashing: Hashing) -> None:
    assert await Passwords().verify("secret", hash_password("secret"))
    assert [name.startswith("passwords") for name in hashing.threads] == [True]


async def test_no_more_than_four_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()
    full = threading.Barrier(passwords._MOST_THREADS)

    def slow(_password: str, _hashed: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(60)
        with lock:
            running -= 1
        return False

    monkeypatch.setattr(passwords, "matches", slow)
    monkeypatch.setattr(passwords.os, "cpu_count", lambda: 64)
    pool = Passwords()
    await asyncio.gather(*(pool.verify(str(number), NOBODY) for number in range(12)))
    assert most == passwords._MOST_THREADS == 4


async def test_what_was_right_is_remembered_for_a_minute(hashing: Hashing) -> None:
    clock = Clock()
    pool = Passwords(clock=clock)
    hashed = bcrypt_hash(b"secret")
    for passed, times in ((0, 1), (30, 1), (29.9, 1), (0.2, 2), (59, 2)):
        clock.now += passed
        assert await pool.verify("secret", hashed)
        assert len(hashing.threads) == times


async def test_what_was_wrong_is_not_remembered(hashing: Hashing) -> None:
    pool = Passwords()
    hashed = bcrypt_hash(b"secret")
    for times in (1, 2):
        assert not await pool.verify("wrong", hashed)
        assert len(hashing.threads) == times
    assert await pool.verify("secret", hashed)


async def test_another_hash_is_another_matter(hashing: Hashing) -> None:
    pool = Passwords()
    assert await pool.verify("secret", bcrypt_hash(b"secret"))
    assert not await pool.verify("secret", bcrypt_hash(b"another"))
    assert len(hashing.threads) == 2


async def test_the_same_password_on_many_connections_is_hashed_once(hashing: Hashing) -> None:
    pool = Passwords()
    hashed = bcrypt_hash(b"secret")
    assert await asyncio.gather(*(pool.verify("secret", hashed) for _ in range(10))) == [True] * 10
    assert len(hashing.threads) == 1


async def test_one_that_hangs_up_does_not_cancel_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, begun = threading.Event(), threading.Event()
    monkeypatch.setattr(passwords, "matches", lambda *_: begun.set() or hashed.wait(60))
    pool = Passwords()
    first, second = (asyncio.ensure_future(pool.verify("secret", NOBODY)) for _ in range(2))
    await asyncio.to_thread(begun.wait, 60)
    first.cancel()
    hashed.set()
    assert await second
    assert first.cancelled()


async def test_what_is_remembered_is_bounded_and_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "matches", lambda _password, _hashed: True)
    monkeypatch.setattr(passwords, "_REMEMBERED", 10)
    pool = Passwords()
    for number in range(25):
        assert await pool.verify(f"secret-{number}", NOBODY)
    assert len(pool._remembered) == 10
    kept = repr(vars(pool))
    assert "secret-24" not in kept
    assert sha256(b"secret-24").hexdigest() not in kept
    assert Passwords()._key != pool._key
