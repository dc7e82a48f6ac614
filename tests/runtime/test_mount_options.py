"""What -v and --mount mean, and that no text means more than a fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.mount_options import read_mount, read_mounts, read_volume
from runtime.errors import UsageError
from runtime.mounts import Mount

BIND = ("rbind", "rprivate")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a:/b", Mount("/a", "/b", BIND, make=True)),
        ("/a/../c:/b//d/", Mount("/c", "/b/d", BIND, make=True)),
        ("/a:/b:ro", Mount("/a", "/b", ("rbind", "rro", "rprivate"), mode="ro", make=True)),
        ("/a:/b:rw,z,rshared", Mount("/a", "/b", ("rbind", "rw", "rshared"), mode="rw,z,rshared", make=True)),
        ("data:/b", Mount("data", "/b", BIND, kind="volume")),
        ("data:/b:ro,Z", Mount("data", "/b", (*BIND, "ro"), kind="volume", mode="ro,Z")),
        ("data:/b:nocopy", Mount("data", "/b", BIND, kind="volume", mode="nocopy", copy=False)),
        ("/b", Mount("", "/b", BIND, kind="volume", anonymous=True)),
        ("//b", Mount("", "/b", BIND, kind="volume", anonymous=True)),
        ("b", Mount("", "/b", BIND, kind="volume", anonymous=True)),
        ("./b/../c", Mount("", "/c", BIND, kind="volume", anonymous=True)),
    ],
)
def test_what_v_means(text: str, expected: Mount) -> None:
    assert read_volume(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/b", Mount("", "/b", BIND, kind="volume", anonymous=True)),
        ("src=data,dst=/b", Mount("data", "/b", BIND, kind="volume")),
        ("Type=volume,source=data,destination=/b,ro=1", Mount("data", "/b", (*BIND, "ro"), kind="volume")),
        ("src=data,dst=/b,volume-nocopy,readonly=false", Mount("data", "/b", BIND, kind="volume", copy=False)),
        ("type=bind,src=/,dst=/b", Mount("/", "/b", BIND)),
        ('type=bind,"src=/",dst=/b,readonly', Mount("/", "/b", (*BIND, "rro"))),
        ("type=bind,src=/,dst=/b,bind-propagation=slave", Mount("/", "/b", ("rbind", "slave"))),
        ("type=bind,src=/,dst=/b,bind-nonrecursive", Mount("/", "/b", ("bind", "private"))),
        ("type=bind,src=/,dst=/b,ro,bind-recursive=writable", Mount("/", "/b", (*BIND, "ro"))),
        ("type=bind,src=/,dst=/b,ro,bind-recursive=readonly", Mount("/", "/b", (*BIND, "rro"))),
        ("type=tmpfs,dst=/b", Mount("", "/b", ("nosuid", "nodev", "noexec"), kind="tmpfs")),
        (
            "type=tmpfs,dst=/b,tmpfs-size=2m,tmpfs-mode=1777,ro",
            Mount("", "/b", ("nosuid", "nodev", "noexec", "ro", "mode=1777", "size=2097152"), kind="tmpfs"),
        ),
    ],
)
def test_what_mount_means(text: str, expected: Mount) -> None:
    assert read_mount(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is [SOURCE:]CONTAINER"),
        ("a:/b:ro:rw", "it is [SOURCE:]CONTAINER"),
        (":/b", "it is [SOURCE:]CONTAINER"),
        ("/a:", "it is [SOURCE:]CONTAINER"),
        ("data:b", "must be absolute"),
        (".", "the container's root cannot be replaced"),
        ("data:/b:", "it is [SOURCE:]CONTAINER"),
        ("data:/b:ro,", "a volume has no option ''"),
        ("data:/b:rw,ro", "invalid mode: rw,ro"),
        ("/a:/b:ro,ro", "invalid mode: ro,ro"),
        ("/a:/b:rshared,rslave", "invalid mode: rshared,rslave"),
        ("/a:/b:z,Z", "invalid mode: z,Z"),
        ("data:/b:nocopy,nocopy", "invalid mode: nocopy,nocopy"),
        ("data:/b:cached,delegated", "invalid mode: cached,delegated"),
        ("/a:/", "the container's root cannot be replaced"),
        ("/a:/..", "the container's root cannot be replaced"),
        ("/a:/b:nocopy", "a path of this host has no option 'nocopy'"),
        ("/a:/b:sideways", "a path of this host has no option 'sideways'"),
        ("data:/b:rslave", "a volume has no option 'rslave'"),
        ("x:/b", "'x' cannot be a volume's name"),
    ],
)
def test_what_v_cannot_mean(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as fault:
        read_volume(text)
    assert sentence in str(fault.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("type=bind,src=/", "must be absolute"),
        ("type=npipe,dst=/b", "type is one of volume, bind, tmpfs"),
        ("type=bind,dst=/b", "the source of a bind is a path"),
        ("type=bind,src=data,dst=/b", "the source of a bind is a path"),
        ("type=bind,src=/no/such,dst=/b", "there is no /no/such on this host"),
        ("type=bind,src=/,dst=/b,volume-nocopy", "volume-nocopy is not for the type bind"),
        ("src=data,dst=/b,bind-propagation=slave", "bind-propagation is not for the type volume"),
        ("src=data,dst=/b,tmpfs-size=1", "tmpfs-size is not for the type volume"),
        ("type=tmpfs,src=/a,dst=/b", "a tmpfs has no source"),
        ("type=tmpfs,dst=/b,tmpfs-size=much", "tmpfs-size much: a size is a number"),
        ("type=tmpfs,dst=/b,tmpfs-mode=rwx", "mode is an octal number"),
        ("dst=/b,volume-driver=nfs", "volume-driver is one of local"),
        ("dst=/b,readonly=perhaps", "readonly is true or false"),
        ("dst=/b,colour=red", "there is no field 'colour'"),
        ("dst=/b,source", "a field is KEY=VALUE"),
        ('dst=/b,"source', "the quotes are wrong"),
        ("type=bind,src=/,dst=/b,bind-recursive=readonly", "bind-recursive=readonly needs readonly"),
    ],
)
def test_what_mount_cannot_mean(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as fault:
        read_mount(text)
    assert sentence in str(fault.value)


def test_one_path_has_one_mount() -> None:
    for volumes, mounts, memory in (
        (["data:/b"], ["type=tmpfs,dst=/b/"], []),
        (["data:/b", "/b"], [], []),
        (["data:/b"], [], ["/b"]),
        ([], ["dst=/b"], ["/b"]),
    ):
        with pytest.raises(UsageError, match="Duplicate mount point: /b"):
            read_mounts(volumes, mounts, memory)


PATHS = st.text(st.characters(codec="utf-8", exclude_characters=":\0/"), min_size=1, max_size=10).filter(
    lambda part: part not in (".", "..")
)


@given(PATHS, PATHS, st.sampled_from(["", ":ro", ":rw", ":ro,z", ":rshared"]))
def test_a_path_is_read_as_it_was_written(source: str, target: str, options: str) -> None:
    mount = read_volume(f"/{source}:/{target}{options}")
    assert (mount.source, mount.target) == (f"/{source}", f"/{target}")
    assert mount.writable == ("ro" not in options.strip(":").split(","))
    assert ("rprivate" in mount.options) == ("rshared" not in options)


@given(PATHS.filter(lambda part: not {*part} & {*',"\n\r'}))
def test_a_field_is_read_as_it_was_written(target: str) -> None:
    quoted = f'"dst=/{target}"'
    assert read_mount(f"dst=/{target}").target == read_mount(quoted).target == f"/{target}"


TEXTS = st.text('/:=,"\0\nabro.', max_size=20) | st.text(max_size=20)
FIELDS = st.lists(
    st.sampled_from(["type=bind", "type=tmpfs", "src=/", "dst=/b", "target=/", "ro", "tmpfs-size=1g", "source=ab"])
    | TEXTS,
    max_size=5,
).map(",".join)


@given(TEXTS, FIELDS)
def test_no_text_whatever_makes_more_of_a_mount_than_a_fault(volume: str, mount: str) -> None:
    for read, text in ((read_volume, volume), (read_mount, mount)):
        try:
            found = read(text)
        except UsageError:
            continue
        assert found.target.startswith("/")
        assert found.target != "/"
        assert ".." not in found.target.split("/")
        if found.kind == "bind":
            assert found.source.startswith("/")
