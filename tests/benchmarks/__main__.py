"""python -m tests.benchmarks [MIB]: preg beside the other registries on this machine, twice each, one table."""

import sys
import tempfile
from pathlib import Path

from tests.benchmarks import measures
from tests.benchmarks.measures import Big
from tests.benchmarks.peers import peers, running

ROUNDS = 2


def main(mib: int) -> None:
    sys.stdout.write("manifests: requests/s, server's CPU for each; blobs: wall and server's CPU; peak memory\n")
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(ROUNDS):
            for peer in peers():
                big = Big.make(Path(folder, "big"), mib)
                with running(peer, Path(folder, f"{peer.name}-{turn}")) as server:
                    tag, digest = measures.manifests(server, "tag"), measures.manifests(server, "digest")
                    up, down = measures.upload(server, big), measures.download(server, big)
                    sys.stdout.write(
                        f"{peer.name:14}"
                        f" by tag {tag.per_second:7.0f}/s {tag.microseconds:5.0f} us"
                        f" | by digest {digest.per_second:7.0f}/s {digest.microseconds:5.0f} us"
                        f" | up {mib} MiB {up.wall:5.2f} s {up.cpu:5.2f} CPU-s"
                        f" | down {down.wall:5.2f} s {down.cpu:5.2f} CPU-s"
                        f" | {server.usage.peak_mib():4.0f} MiB\n"
                    )
                    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 512)
