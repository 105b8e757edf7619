"""Are the native libraries there that WeasyPrint draws PDFs with? Installs them by apt as root, else says how."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys

# Debian package -> the library it brings.
LIBRARIES = {
    "libpango-1.0-0": "pango-1.0",
    "libpangoft2-1.0-0": "pangoft2-1.0",
    "libharfbuzz-subset0": "harfbuzz-subset",
}


def is_there(name: str) -> bool:
    """Does the library load?"""
    for file in (f"lib{name}.so.0", f"lib{name}.dylib", f"lib{name}.0.dylib", ctypes.util.find_library(name)):
        try:
            if file:
                ctypes.CDLL(file)
                return True
        except OSError:
            continue
    return False


def main() -> int:
    """Exit code 0 when all load, at the start or once installed."""
    missing = [package for package, name in LIBRARIES.items() if not is_there(name)]
    if not missing or "--check" in sys.argv:
        return int(bool(missing))
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    print(f"Missing native libraries for the PDF report: {', '.join(missing)}", flush=True)
    if shutil.which("apt-get") is None:
        print("Install Pango and HarfBuzz-Subset with your package manager (macOS: brew install pango harfbuzz).")
        return 1
    if os.geteuid() != 0:
        print(f"Run this, then the same make target again:\n    sudo apt-get update && sudo {' '.join(install)}")
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], install):
        print("+", " ".join(command), flush=True)
        if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            print(f"`{' '.join(command)}` failed; the lines above say why.", file=sys.stderr)
            return 1
    # a new process, since this one may remember what it failed to find
    if subprocess.run([sys.executable, __file__, "--check"], check=False).returncode != 0:
        print("The packages are installed but do not load: Python may be of another architecture.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
