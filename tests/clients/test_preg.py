"""preg's own runtime and Docker, each with the other's images, through one registry."""

from pathlib import Path

from tests.parts import server as server_part
from tests.parts.docker import Docker
from tests.parts.images import busybox
from tests.parts.required import require_root
from tests.parts.server import Server, uploads
from tests.runtime.conftest import Preg

DOCKERFILE = """\
FROM {base}
COPY added /added
ENV GREETING="built by docker"
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["cat /text /added; echo $GREETING; exit 3"]
"""
SAYS = "base\nadded\nbuilt by docker\n"


def built_and_pushed(docker: Docker, name: str, folder: Path) -> str:
    """Build an image with docker, push it as `name`, and give its ID."""
    docker.load(busybox("base\n"), "base:1")
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base="base:1"))
    (folder / "added").write_text("added\n")
    docker("build", "--quiet", "--tag", name, str(folder))
    docker("push", name)
    return str(docker.inspect(name)["Id"])


def test_an_image_of_dockers_is_run_pushed_on_and_pulled_back_the_same(
    docker: Docker, server: Server, repository: str, tmp_path: Path
) -> None:
    require_root()
    preg = Preg(tmp_path / "home")
    name, copied = f"{server.address}/{repository}:1", f"{server.address}/{repository}-b:2"
    image_id = built_and_pushed(docker, name, tmp_path / "context")

    done = preg.run("run", "--rm", name)
    assert (done.returncode, done.stdout) == (3, SAYS), done.stderr
    assert preg.ok("run", "--rm", name, "echo $0 $GREETING") == "/bin/sh built by docker\n"

    preg.ok("push", name, copied)
    assert server.stored(f"{repository}-b", "2") == server.stored(repository, "1")
    docker.forget()
    docker("pull", copied)
    assert docker.inspect(copied)["Id"] == image_id


def test_a_second_push_uploads_nothing(docker: Docker, server: Server, repository: str, tmp_path: Path) -> None:
    preg = Preg(tmp_path / "home")
    name = f"{server.address}/{repository}:1"
    built_and_pushed(docker, name, tmp_path / "context")
    preg.ok("pull", name)
    with server.recording() as requests:
        preg.ok("push", name)
    assert uploads(requests) == []
    assert any(each.method == "PUT" for each in requests)


def test_an_image_is_carried_to_another_registry(
    docker: Docker, server: Server, repository: str, tmp_path: Path
) -> None:
    preg = Preg(tmp_path / "home")
    name = f"{server.address}/{repository}:1"
    built_and_pushed(docker, name, tmp_path / "context")
    preg.ok("pull", name)
    with server_part.serving(tmp_path / "other") as other:
        preg.ok("push", name, f"{other.address}/carried:1")
        assert other.stored("carried", "1") == server.stored(repository, "1")
