"""`python scripts/stack up|down|status`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # so that this folder is the package `stack`

from stack.cli import main  # noqa: E402

sys.exit(main())
