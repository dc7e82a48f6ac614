"""The file of users: what it may say, and that nothing of it is lost when it is edited."""

import contextlib
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth import users
from auth.errors import AuthMisconfigured
from auth.passwords import NOBODY
from auth.users import User, add_user, read_users, remove_user, set_password
from tests.parts.required import ROOT

ARGON = "$argon2id$v=19$m=19456,t=2,p=1$" + "B" * 22 + "$" + "C" * 43
BCRYPT = "$2y$05$LhMhABe3To9kS3klwgjJ0OySbyr0fmTr1GjJ50J40idjmvXVnUW4C"
HASHES = [ARGON, BCRYPT, NOBODY]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users"


def test_what_lines_say(file: Path) -> None:
    file.write_text(f"# people\n\nalice:{ARGON}:team,ops\n  \nbob:{BCRYPT}\r\n#carol:x\nd.e@f:{BCRYPT}:\n")
    assert read_users(file) == {
        "alice": User("alice", ARGON, ("team", "ops")),
        "bob": User("bob", BCRYPT),
        "d.e@f": User("d.e@f", BCRYPT),
    }


def test_an_empty_file_has_no_users(file: Path) -> None:
    file.write_text("")
    assert read_users(file) == {}


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
def test_every_kind_of_bcrypt_line_is_taken(file: Path, prefix: bytes) -> None:
    hashed = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).replace(b"2b", prefix, 1).decode()
    file.write_text(f"alice:{hashed}\n")
    assert read_users(file)["alice"].hash == hashed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("alice", "neither of argon2id nor of bcrypt"),
        ("alice:", "neither of argon2id nor of bcrypt"),
        ("alice:s3cret", "neither of argon2id nor of bcrypt"),
        ("alice:$apr1$abcdefgh$s3cret", "neither of argon2id nor of bcrypt"),
        ("alice:{SHA}s3cret", "neither of argon2id nor of bcrypt"),
        (f"alice:{ARGON}s3cret=", "neither of argon2id nor of bcrypt"),
        (f"alice:{BCRYPT[:-1]}", "neither of argon2id nor of bcrypt"),
        (f"alice:{ARGON.replace('argon2id', 'argon2i')}", "neither of argon2id nor of bcrypt"),
        (f":{ARGON}", "cannot be the name of a user"),
        (f"a b:{ARGON}", "cannot be the name of a user"),
        (f"a\x01b:{ARGON}", "cannot be the name of a user"),
        (f"a\x85b:{ARGON}", "cannot be the name of a user"),
        (f"a,b:{ARGON}", "cannot be the name of a user"),
        (f"*:{ARGON}", "cannot be the name of a user"),
        (f"anonymous:{ARGON}", "cannot be the name of a user"),
        (f"authenticated:{ARGON}", "cannot be the name of a user"),
        (f"{'x' * 256}:{ARGON}", "cannot be the name of a user"),
        (f"alice:{ARGON}:a,,b", "cannot be the name of a group"),
        (f"alice:{ARGON}:a b", "cannot be the name of a group"),
        (f"alice:{ARGON}:a:b", "cannot be the name of a group"),
        (f"bob:{ARGON}", "another line for bob"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_not_quoted(file: Path, line: str, said: str) -> None:
    file.write_text(f"# people\nbob:{BCRYPT}\n{line}\n")
    with pytest.raises(AuthMisconfigured, match=f"line 3 of {file}: .*{said}") as caught:
        read_users(file)
    for secret in ("s3cret", ARGON, BCRYPT[:-1]):
        assert secret not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text(file: Path) -> None:
    with pytest.raises(AuthMisconfigured, match=f"there is no file {file}: `preg user add` makes it"):
        read_users(file)
    file.write_bytes(b"\xff")
    with pytest.raises(AuthMisconfigured, match="not text in UTF-8"):
        read_users(file)
    with pytest.raises(AuthMisconfigured, match="Is a directory"):
        read_users(file.parent)


def test_no_hash_is_in_what_is_shown_of_a_user() -> None:
    user = User("alice", ARGON, ("team",))
    assert ARGON not in f"{user!r} {user} {[user]} {(user,)!r}"
    assert repr(user) == "User('alice', groups=('team',))"


USERS = st.sampled_from(["alice", "bob", "carol"])
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), USERS, st.sampled_from(HASHES), st.sampled_from([(), ("team",), ("a", "b")])),
        st.tuples(st.just("passwd"), USERS, st.sampled_from(HASHES)),
        st.tuples(st.just("rm"), USERS),
    ),
    max_size=12,
)
REMARKS = st.lists(st.sampled_from(["", "# a remark", "#dave:x", "  ", "\t# ü"]), max_size=4)


@settings(max_examples=100)
@given(remarks=REMARKS, edits=EDITS, ended=st.booleans())
def test_edits_change_one_line_and_keep_all_others(
    tmp_path_factory: pytest.TempPathFactory, remarks: list[str], edits: list[tuple[str, ...]], ended: bool
) -> None:
    file = tmp_path_factory.mktemp("users") / "users"
    file.write_text("\n".join([*remarks, f"zoe:{BCRYPT}:x"]) + ("\n" if ended else ""))
    model = {"zoe": User("zoe", BCRYPT, ("x",))}
    for kind, name, *rest in edits:
        fine = (name in model) is (kind != "add")
        with contextlib.nullcontext() if fine else pytest.raises(AuthMisconfigured, match=name):
            if kind == "add":
                add_user(file, User(name, *rest))  # type: ignore[arg-type]
                model[name] = User(name, *rest)  # type: ignore[arg-type]
            elif kind == "passwd":
                set_password(file, name, rest[0])
                model[name] = model[name]._replace(hash=rest[0])
            else:
                remove_user(file, name)
                del model[name]
        assert list(read_users(file).items()) == list(model.items())
    assert [line for line in file.read_text().split("\n")[:-1] if ":$" not in line] == remarks or not edits
    assert os.listdir(file.parent) == ["users"]


def test_a_new_file_is_its_owners_alone(file: Path) -> None:
    add_user(file, User("alice", ARGON))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"alice:{ARGON}\n"


def test_an_edited_file_keeps_its_group_and_is_shut_to_others(file: Path) -> None:
    file.write_text(f"bob:{BCRYPT}\n")
    file.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(file, 12345, 54321)
    before = file.stat()
    add_user(file, User("alice", ARGON))
    after = file.stat()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert stat.S_IMODE(after.st_mode) == 0o640


def test_a_link_stays_a_link(file: Path) -> None:
    target = file.with_name("target")
    target.write_text(f"bob:{BCRYPT}\n")
    file.symlink_to(target)
    set_password(file, "bob", ARGON)
    assert file.is_symlink()
    assert target.read_text() == f"bob:{ARGON}\n"


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a\nb:c", "anonymous", "#x"])
def test_a_name_that_would_spoil_the_file(file: Path, name: str) -> None:
    with pytest.raises(AuthMisconfigured, match="cannot be the name of a user"):
        add_user(file, User(name, ARGON))
    with pytest.raises(AuthMisconfigured, match="cannot be the name of a group"):
        add_user(file, User("alice", ARGON, (name,)))
    assert not file.exists()


def test_a_broken_file_is_not_edited(file: Path) -> None:
    file.write_text("broken\n")
    for edit in (lambda: add_user(file, User("alice", ARGON)), lambda: remove_user(file, "broken")):
        with pytest.raises(AuthMisconfigured, match="line 1"):
            edit()
    assert file.read_text() == "broken\n"


def test_a_folder_that_is_not_there_is_named(file: Path) -> None:
    path = file / "below"
    with pytest.raises(AuthMisconfigured, match=f"{path} cannot be changed: No such file or directory"):
        add_user(path, User("alice", ARGON))


def test_an_edit_that_fails_leaves_everything_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"bob:{BCRYPT}\n")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(users.os, "fsync", full)
    with pytest.raises(AuthMisconfigured, match=f"{file} cannot be changed: No space left"):
        add_user(file, User("alice", ARGON))
    assert file.read_text() == f"bob:{BCRYPT}\n"
    assert os.listdir(file.parent) == ["users"]


def test_who_may_not_read_the_file_cannot_keep_others_from_changing_it(file: Path) -> None:
    """A lock of the folder, which all may open, is nobody's business."""
    add_user(file, User("alice", ARGON))
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    remove_user(file, "alice")
    os.close(folder)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == ["users"]


def test_a_file_that_stays_locked_is_given_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_PATIENCE", 0.1)
    add_user(file, User("alice", ARGON))
    with file.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AuthMisconfigured, match=f"{file} has been locked for 0 seconds: `lslocks` names"):
            remove_user(file, "alice")
    remove_user(file, "alice")


def test_of_many_who_edit_at_once_nobody_undoes_anothers_work(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from auth.users import *\n"
        "file, who, hashed = Path(sys.argv[1]), sys.argv[2], sys.argv[3]\n"
        "for number in range(8):\n"
        "    add_user(file, User(f'{who}-{number}', hashed))\n"
        "    if number % 2:\n"
        "        remove_user(file, f'{who}-{number}')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    editors = [subprocess.Popen([sys.executable, "-c", code, str(file), who, ARGON], env=environment) for who in "abcd"]
    while any(editor.poll() is None for editor in editors):
        if file.exists():
            # Whole at every moment.
            read_users(file)
    assert [editor.wait() for editor in editors] == [0] * 4
    assert set(read_users(file)) == {f"{who}-{number}" for who in "abcd" for number in range(0, 8, 2)}
