"""A layer is the same layer, whichever way it is kept: unpacked into a directory or mounted from its archive."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.config import DIRECTORIES, EROFS
from runtime.errors import LayerInvalid
from runtime.kernel import MNT_DETACH, unmount
from runtime.layers import ROOT, Layers
from storage.oci.digest import Digest
from tests.parts.mounts import below, unmount_below
from tests.parts.required import require_root
from tests.runtime.archives import CHR, DIR, END, FIFO, HARD, SYM, file, header, listing, make_here, pax


@contextlib.contextmanager
def folders() -> Iterator[Path]:
    require_root()
    with tempfile.TemporaryDirectory(prefix="preg-modes-") as folder:
        try:
            yield Path(folder)
        finally:
            unmount_below(Path(folder))


def kept(archive: bytes, folder: Path, mode: str) -> object:
    """All that can be known of a layer, or why it was refused."""
    try:
        make_here(archive, folder, mode)
    except LayerInvalid as fault:
        return str(fault)
    return listing(folder / ROOT)


def same(archive: bytes) -> object:
    """What becomes of an archive in both ways."""
    with folders() as folder:
        unpacked, mounted = (kept(archive, folder / mode, mode) for mode in (DIRECTORIES, EROFS))
    assert mounted == unpacked
    return mounted


PARTS = st.sampled_from((b"a", b"b", b"c"))
MARKS = st.sampled_from((b".wh.a", b".wh.b", b".wh..wh..opq", b".wh..wh.note"))
NAMES = st.builds(
    lambda slash, above, last: slash + b"/".join([*above, last]),
    st.sampled_from((b"", b"/", b"./")),
    st.lists(PARTS | st.just(b".."), max_size=3),
    PARTS | PARTS | MARKS,
)
TARGETS = st.builds(
    lambda slash, parts: slash + b"/".join(parts),
    st.sampled_from((b"", b"/")),
    st.lists(PARTS | st.just(b".."), min_size=1, max_size=3),
)
MODES = st.sampled_from((0o644, 0o755, 0o1777, 0o4711, 0o2750, 0))
OWNERS = st.tuples(st.sampled_from((0, 1000, 70_000)), st.sampled_from((0, 4_000_000)))
TIMES = st.sampled_from((0, 1, 1_700_000_000))
XATTRS = st.dictionaries(
    st.sampled_from(("user.a", "user.b", "user.overlay.opaque", "trusted.overlay.opaque", "security.capability")),
    st.binary(max_size=24),
    max_size=2,
)
ENTRIES = st.one_of(
    st.builds(file, NAMES, st.binary(max_size=1200), MODES),
    st.builds(
        lambda name, mode, owner, mtime: header(name + b"/", DIR, mode=mode, owner=owner, mtime=mtime),
        *(NAMES, MODES, OWNERS, TIMES),
    ),
    st.builds(lambda name, target: header(name, SYM, link=target), NAMES, TARGETS),
    st.builds(lambda name, target: header(name, HARD, link=target), NAMES, TARGETS),
    st.builds(lambda name, device: header(name, CHR, device=device), NAMES, st.sampled_from(((0, 0), (1, 3)))),
    st.builds(lambda name, mode: header(name, FIFO, mode=mode), NAMES, MODES),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(XATTRS, ENTRIES), max_size=8))
def test_any_archive_is_the_same_tree_or_refused_alike(entries: list[tuple[dict[str, bytes], bytes]]) -> None:
    archive = b"".join((pax({f"SCHILY.xattr.{k}": v for k, v in x.items()}) if x else b"") + e for x, e in entries)
    same(archive + END)


def test_directories_of_all_sizes_are_the_same() -> None:
    """From one that lies beside its inode to one of many blocks, with names of all lengths."""
    archive = b""
    for count in (0, 1, 10, 20, 30, 300, 2000):
        archive += header(b"d%d/" % count, DIR, mode=0o755)
        for number in range(count):
            name = b"d%d/%s" % (count, b"%d-" % number + b"n" * (number % 250))
            archive += pax({"path": name}) + file(b"x", b"%d" % number)
    found = same(archive + END)
    assert isinstance(found, dict)
    assert len(found) == 1 + 7 + 2361


def test_links_of_all_lengths_are_the_same() -> None:
    archive = b"".join(
        pax({"linkpath": b"t" * size}) + header(b"l%d" % size, SYM) for size in (1, 447, 448, 449, 512, 513, 4000, 4095)
    )
    assert isinstance(same(archive + END), dict)


def test_attributes_of_all_sizes_are_the_same() -> None:
    archive = b""
    for size in (1, 100, 380, 430, 440, 450, 1000, 3000):
        attributes = pax({"SCHILY.xattr.user.size": b"v" * size})
        archive += attributes + file(b"f%d" % size, b"x") + attributes + header(b"d%d/" % size, DIR, mode=0o755)
    assert isinstance(same(archive + END), dict)


@pytest.mark.parametrize(
    "acl",
    [
        "0100070000000000",
        "01000700ffffffff04000500ffffffff20000400ffffffff",
        "01000700ffffffff0200060001000000040005 00ffffffff10000600ffffffff20000400ffffffff".replace(" ", ""),
        "01000700ffffffff020006000100000004000500ffffffff20000400ffffffff",
        "20000400ffffffff04000500ffffffff01000700ffffffff",
        "01000900ffffffff04000500ffffffff20000400ffffffff",
    ],
    ids=["cut", "no more than a mode", "a user and a mask", "no mask", "out of order", "impossible permissions"],
)
@pytest.mark.parametrize("kind", [b"0", DIR, FIFO, SYM])
def test_access_control_lists_are_the_same(acl: str, kind: bytes) -> None:
    value = bytes.fromhex("02000000" + acl)
    records = {f"SCHILY.xattr.system.posix_acl_{which}": value for which in ("access", "default")}
    assert isinstance(same(pax(records) + header(b"a", kind, mode=0o640, link=b"x" * (kind == SYM)) + END), dict)


def test_a_root_may_be_mounted_again_whether_or_not_its_changes_were_passing() -> None:
    with folders() as home:
        layers, container = Layers(f"{home}/layers", f"{home}/containers"), home / "containers/id"
        container.mkdir(parents=True)
        for number, passing in enumerate((True, False, True, True, False)):
            root = Path(layers.mount([], str(container), passing=passing))
            made = sorted(path.name for path in root.iterdir() if path.name.isdigit())
            assert made == [str(before) for before in range(number)]
            (root / str(number)).touch()
            unmount(str(root))


def test_layers_of_both_kinds_are_one_root() -> None:
    lower = (
        (header(b"d/", DIR, mode=0o755) + file(b"d/kept", b"1") + file(b"d/gone", b"1") + file(b"both", b"lower"))
        + header(b"o/", DIR, mode=0o755)
        + file(b"o/gone", b"1")
    )
    upper = (
        (header(b"d/", DIR, mode=0o750) + file(b"d/.wh.gone") + file(b"both", b"upper", 0o4755))
        + header(b"o/", DIR, mode=0o700)
        + file(b"o/.wh..wh..opq")
        + file(b"o/new", b"2")
    )
    roots = []
    with folders() as home:
        for number, modes in enumerate(((DIRECTORIES, DIRECTORIES), (EROFS, EROFS), (DIRECTORIES, EROFS))):
            layers = Layers(f"{home}/layers{number}", f"{home}/containers")
            diff_ids = []
            for archive, mode in zip((lower, upper), modes, strict=True):
                made = home / "made"
                diff_id = Digest(make_here(archive + END, made, mode).diff_id)
                unmount_below(made)
                layers.publish(made, diff_id)
                diff_ids.append(diff_id)
            container = home / f"containers/{number}"
            container.mkdir(parents=True)
            (home / f"removed{number}").mkdir()
            root = layers.mount(diff_ids, str(container))
            roots.append(
                {name: each for name, each in listing(Path(root)).items() if name[0] in "bdo" and name != "dev"}
            )
            unmount(root, MNT_DETACH)
            assert not layers.remove(diff_ids[0], home / f"removed{number}")
            os.rename(container, home / f"removed{number}/container")
            assert all(layers.remove(diff_id, home / f"removed{number}") for diff_id in diff_ids)
        assert below(home) == []
    assert roots[0] == roots[1] == roots[2]
    assert sorted(roots[0]) == ["both", "d", "d/kept", "o", "o/new"]
