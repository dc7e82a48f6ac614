"""``python -m runtime`` is ``preg``."""

import sys

from runtime.cli import main

sys.exit(main())
