"""Names taken away and images removed, by Docker's rules; and what is kept because something needs it."""

import subprocess
from pathlib import Path

from tests.parts.images import File, Image, busybox, data, layer, push
from tests.parts.server import Server
from tests.runtime.conftest import Preg


def small(seed: str) -> Image:
    return data(seed, layers=2, size=1000)


def pulled(preg: Preg, server: Server, repository: str, image: Image, tag: str = "1") -> str:
    """Pull an image; its name."""
    name = f"{server.address}/{repository}:{tag}"
    push(server, repository, tag, image)
    preg.ok("pull", "-q", name)
    return name


def kept(preg: Preg, folder: str) -> set[str]:
    """The names in a folder of the store, without what they end on."""
    return {path.name.partition(".")[0] for path in (preg.home / folder).iterdir()}


def nothing_left(preg: Preg) -> bool:
    return not any(kept(preg, folder) for folder in ("images", "references", "content/sha256", "layers", "new"))


def test_an_image_goes_with_its_last_name(server: Server, repository: str, preg: Preg) -> None:
    image = small("last name")
    name = pulled(preg, server, repository, image)
    preg.ok("tag", name, "other")
    assert preg.ok("rmi", "other") == "Untagged: other:latest\n"
    untagged, digest, *deleted = preg.ok("rmi", name).splitlines()
    assert untagged == f"Untagged: {name}"
    assert digest == f"Untagged: {name.removesuffix(':1')}@{image.digest}"
    assert deleted[0] == f"Deleted: {image.config_digest}"
    assert len(deleted) == 3
    assert deleted[2] == f"Deleted: {image.diff_ids[0]}"
    assert nothing_left(preg)


def test_an_image_is_removed_by_the_beginning_of_its_id(server: Server, repository: str, preg: Preg) -> None:
    image = small("by id")
    name = pulled(preg, server, repository, image)
    assert preg.ok("rmi", image.config_digest[7:17]).splitlines()[:3] == [
        f"Untagged: {name}",
        f"Untagged: {name.removesuffix(':1')}@{image.digest}",
        f"Deleted: {image.config_digest}",
    ]
    assert nothing_left(preg)


def test_an_id_with_names_elsewhere_needs_force(server: Server, repository: str, preg: Preg) -> None:
    image = small("elsewhere")
    name = pulled(preg, server, repository, image)
    preg.ok("tag", name, "other")
    assert "names in several repositories" in preg.fails("rmi", image.config_digest)
    assert preg.ok("rmi", "-f", image.config_digest).count("Untagged: ") == 3
    assert nothing_left(preg)


def test_a_digest_is_taken_away_beside_its_tag(server: Server, repository: str, preg: Preg) -> None:
    image = small("by digest")
    name = pulled(preg, server, repository, image)
    by_digest = f"{name.removesuffix(':1')}@{image.digest}"
    assert preg.ok("rmi", by_digest) == f"Untagged: {by_digest}\n"
    assert preg.ok("images", "-q") == f"{image.config_digest[7:19]}\n"


def test_what_images_share_stays_with_the_other(server: Server, repository: str, preg: Preg) -> None:
    base, one, two = (layer({name: File(name.encode())}) for name in ("base", "one", "two"))
    first, second = Image((base, one), {"Cmd": ["/none"]}), Image((base, two), {"Cmd": ["/none"]})
    pulled(preg, server, repository, first, "1")
    name = pulled(preg, server, repository, second, "2")
    assert preg.ok("rmi", f"{name[:-1]}1").count("Deleted: ") == 2
    assert kept(preg, "layers") == {diff_id[7:] for diff_id in second.diff_ids}
    assert kept(preg, "content/sha256") == {digest[7:] for digest in (*second.blobs, second.digest)}


def test_what_is_not_there_does_not_keep_the_rest(server: Server, repository: str, preg: Preg) -> None:
    image = small("the rest")
    name = pulled(preg, server, repository, image)
    done = preg.run("rmi", "nothing", name)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("preg: there is no image nothing on this host")
    assert f"Deleted: {image.config_digest}" in done.stdout
    assert preg.run("rmi", "-f", "nothing").returncode == 0


def test_layers_that_nothing_needs_are_pruned(server: Server, repository: str, preg: Preg) -> None:
    """A pull that was killed leaves whole layers, which the next one would use."""
    image = small("left")
    pulled(preg, server, repository, image)
    for folder in ("images", "references"):
        for record in (preg.home / folder).iterdir():
            record.unlink()
    assert preg.ok("images", "-q") == ""
    (freed,) = preg.ok("prune", "-f").splitlines()
    assert freed.startswith("Total reclaimed space: ")
    assert not freed.endswith(" 0B")
    assert nothing_left(preg)


def test_an_image_that_a_container_uses_stays(server: Server, repository: str, preg: Preg, oci_runtime: str) -> None:
    image = busybox("used")
    name = pulled(preg, server, repository, image)
    run = ["--runtime", oci_runtime, name, "sleep", "1000"]
    container = preg.ok("run", "-d", *run).strip()
    assert "the last name of an image that the container" in preg.fails("rmi", name)
    assert preg.fails("rmi", image.config_digest) == (
        f"the running container {container[:12]} uses the image {image.config_digest[7:19]}: stop that first"
    )
    assert preg.fails("rmi", "-f", image.config_digest).startswith("the running container")
    assert preg.ok("rmi", "-f", name).splitlines() == [
        f"Untagged: {name}",
        f"Untagged: {name.removesuffix(':1')}@{image.digest}",
    ]
    assert preg.ok("images").splitlines()[1].split()[:3] == ["<none>", "<none>", image.config_digest[7:19]]
    preg.ok("stop", "-t", "0", container)
    assert preg.fails("rmi", image.config_digest).startswith("the stopped container")
    assert preg.ok("rmi", "-f", image.config_digest) == f"Deleted: {image.config_digest}\n"
    # What the container needs is still there.
    preg.ok("start", container)
    preg.ok("rm", "-f", container)
    preg.ok("prune", "-f")
    assert nothing_left(preg)


def test_prune_takes_what_no_tag_leads_to(server: Server, repository: str, preg: Preg) -> None:
    old, new = small("old"), small("new")
    for image in (old, new):
        name = pulled(preg, server, repository, image)
    asked = preg.run("prune", stdin="n\n")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.startswith("This removes ")
    assert len(preg.ok("images", "-q").split()) == 2
    head, untagged, deleted, empty, freed = preg.ok("prune", "--force").splitlines()
    assert (head, empty) == ("Deleted Images:", "")
    assert untagged == f"untagged: {name.removesuffix(':1')}@{old.digest}"
    assert deleted == f"deleted: {old.config_digest}"
    assert freed.startswith("Total reclaimed space: ")
    assert preg.ok("prune", "-f") == "Total reclaimed space: 0B\n"
    assert preg.ok("prune", "-a", "-f", "--filter", "label=none") == "Total reclaimed space: 0B\n"
    assert f"deleted: {new.config_digest}" in preg.ok("prune", "-a", stdin="y\n")
    assert nothing_left(preg)


def test_a_damaged_image_can_be_removed_and_keeps_others_from_being_cleaned_up(
    server: Server, repository: str, preg: Preg
) -> None:
    damaged, whole = small("damaged"), small("whole")
    name = pulled(preg, server, repository, damaged, "1")
    other = pulled(preg, server, repository, whole, "2")
    (preg.home / "content/sha256" / damaged.digest[7:]).unlink()
    done = preg.run("rmi", other)
    assert done.returncode == 1
    assert "is damaged, so nothing is cleaned up" in done.stderr
    assert f"Deleted: {damaged.config_digest}" in preg.ok("rmi", name)
    assert nothing_left(preg)


def test_a_pull_under_way_keeps_what_it_relies_on(server: Server, repository: str, preg: Preg, tmp_path: Path) -> None:
    """What a running command has pinned stays; here its claim is ours."""
    image = small("pinned")
    name = pulled(preg, server, repository, image)
    held = preg.home / "new" / "0123456789ab"
    held.mkdir()
    (held / "pinned").write_text(image.diff_ids[0])
    holder = subprocess.Popen(
        ["flock", str(held), "sh", "-c", "echo held; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        preg.ok("rmi", name)
        assert kept(preg, "layers") == {image.diff_ids[0][7:]}
    preg.ok("prune", "-f")
    assert nothing_left(preg)
