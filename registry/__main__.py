"""``python -m registry serve``: the server without the rest of the ``preg`` command."""

import sys

from registry.cli import main

if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main(arguments[1:] if arguments[:1] == ["serve"] else arguments))
