"""Fuzz the file source: make and read generated files until so many are done; the seed of a failure is printed.

python scripts/fuzz.py --files 100000            # make fuzz
python scripts/fuzz.py --seed 1460               # one example again
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/sources")]


def main() -> None:
    """Run; exit code 1 where an example failed."""
    from fuzz_files import check_seed

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seed", type=int, help="only this one")
    options = parser.parse_args()
    seed = options.first if options.seed is None else options.seed
    made = read = failed = 0
    began = said = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while made < options.files:
            try:
                counts = check_seed(seed, Path(folder) / "files")
                made, read = made + counts[0], read + counts[1]
            except Exception:
                failed += 1
                print(f"seed {seed} failed; again: python scripts/fuzz.py --seed {seed}", file=sys.stderr)
                traceback.print_exc()
            if options.seed is not None:
                break
            seed += 1
            if time.monotonic() - said > 10:
                said = time.monotonic()
                print(f"{made} files, {read} of them used, {failed} failures, {said - began:.0f} s", flush=True)
    print(f"{made} files made, {read} used, {failed} failures, {time.monotonic() - began:.0f} s; next seed {seed}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
