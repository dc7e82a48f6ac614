"""Images removed while others pull, create and run them, and removals that are killed: what is needed stays."""

import fcntl
import json
import os
import random
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.parts.images import Image, busybox, data, push
from tests.parts.required import require_root, required
from tests.parts.server import Server
from tests.runtime.conftest import Preg


def start(preg: Preg, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        preg.command(*arguments), env=preg.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def is_whole(preg: Preg) -> bool:
    """Whether all that an image is said to be made of is here."""
    for record in (preg.home / "images").iterdir():
        said = json.loads(record.read_bytes())
        manifest = json.loads((preg.home / "content/sha256" / said["manifest"][7:]).read_bytes())
        config = json.loads((preg.home / "content/sha256" / manifest["config"]["digest"][7:]).read_bytes())
        for layer in manifest["layers"]:
            assert (preg.home / "content/sha256" / layer["digest"][7:]).exists()
        for diff_id in config["rootfs"]["diff_ids"]:
            assert (preg.home / "layers" / diff_id[7:]).is_dir()
    return True


def forget(preg: Preg) -> None:
    """Remove every image, and see that nothing of any is left."""
    preg.ok("prune", "-a", "-f")
    assert not any(
        (preg.home / folder).exists() and os.listdir(preg.home / folder) for folder in ("images", "references")
    )
    assert os.listdir(preg.home / "layers") == os.listdir(preg.home / "content/sha256") == []


def test_pulls_and_removals_at_once_leave_whole_images(server: Server, repository: str, preg: Preg) -> None:
    name = f"{server.address}/{repository}"
    shared = data("races", layers=3, size=1 << 16)
    images = [Image((*shared.tars, *data(tag, layers=1, size=1000).tars), {"Cmd": ["/none"]}) for tag in "abc"]
    for tag, image in zip("abc", images, strict=True):
        push(server, repository, tag, image)
    preg.ok("pull", "-q", f"{name}:a")
    for _ in range(2):
        running = [start(preg, "pull", "-q", f"{name}:{tag}") for tag in "abc"]
        running += [start(preg, "rmi", "-f", f"{name}:{tag}") for tag in "abc"] + [start(preg, "prune", "-f")]
        for each in running:
            said = each.communicate()[1]
            # Of a removal it is no fault that another was faster; a pull always succeeds.
            assert each.returncode == 0, said
        assert is_whole(preg)
    preg.ok("pull", "-q", f"{name}:b")
    assert is_whole(preg)
    forget(preg)


def test_a_container_has_its_layers_or_is_not_made(server: Server, repository: str, preg: Preg) -> None:
    require_root()
    image, name = busybox("raced"), f"{server.address}/{repository}:1"
    push(server, repository, "1", image)
    run = ["run", "--rm", "--runtime", required("crun"), "--pull", "never", name, "cat", "/text"]
    for _ in range(3):
        preg.ok("pull", "-q", name)
        running = [start(preg, *run) for _ in range(2)]
        removal = start(preg, "rmi", "-f", image.config_digest)
        for each in running:
            said, complaint = each.communicate()
            assert (each.returncode, said) == (0, "raced") or (each.returncode, said) == (125, ""), complaint
            assert each.returncode == 0 or "there is no image" in complaint
        removal.communicate()
        assert is_whole(preg)
    forget(preg)


def test_a_container_is_not_made_of_an_image_that_is_being_removed(server: Server, repository: str, preg: Preg) -> None:
    """Here we are the one who removes, and take our time."""
    name = f"{server.address}/{repository}:1"
    push(server, repository, "1", data("waited for", layers=1, size=1000))
    preg.ok("pull", "-q", name)
    removing = os.open(preg.home / "images", os.O_RDONLY)
    fcntl.flock(removing, fcntl.LOCK_EX)
    making = start(preg, "create", "--runtime", "true", "--pull", "never", name, "x")
    waiting = re.compile(rf"-> FLOCK +ADVISORY +READ +{making.pid} ")
    while not waiting.search(Path("/proc/locks").read_text()):
        assert making.poll() is None, making.communicate()
    for folder in ("references", "images"):
        for record in (preg.home / folder).iterdir():
            record.unlink()
    os.close(removing)
    assert "there is no image" in making.communicate()[1]
    assert preg.ok("ps", "-a", "-q") == ""


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_removal_leaves_whole_images_or_none(server: Server, repository: str, preg: Preg, seed: int) -> None:
    """Killed at a system call that changes the store: strace counts to it, so every one of them can be the last."""
    strace = required("strace")
    name = f"{server.address}/{repository}"
    shared = data("killed", layers=2, size=1000)
    chance = random.Random(seed)
    for tag in "ab":
        image = Image((*shared.tars, *data(tag, layers=1, size=1000).tars), {"Cmd": ["/none"]})
        push(server, repository, tag, image)
    calls = "unlink,unlinkat,rename,renameat,fsync,rmdir"
    for number in (1, 2, 3, chance.randint(4, 12)):
        for tag in "ab":
            preg.ok("pull", "-q", f"{name}:{tag}")
        kill = f"inject={calls}:signal=KILL:when={number}"
        command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", kill]
        done = subprocess.run(
            [*command, *preg.command("rmi", f"{name}:a")], env=preg.environ, capture_output=True, check=False
        )
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL, 0)
        assert is_whole(preg)
        assert f"{name}\tb" in preg.ok("images", "--format", "Repository,Tag")
    forget(preg)
