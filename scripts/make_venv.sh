#!/bin/sh
# Makes .venv (or the folder named) unless a working one is there; one that was moved or copied is made anew. Leaves none behind on failure.
set -eu
venv=${1:-.venv}
if "$venv"/bin/python -c '' 2>/dev/null && [ "$(cat "$venv"/.made-in 2>/dev/null || pwd)" = "$(pwd)" ]; then
    exit 0
fi
python=$(sh scripts/find_python.sh)
rm -rf "$venv"
log=$(mktemp)
trap 'rm -rf "$venv" "$log"' EXIT
if ! "$python" -m venv "$venv" >"$log" 2>&1; then
    # Debian ships ensurepip apart, in python3-venv; the pip that is there can fill an empty environment all the same.
    rm -rf "$venv"
    if ! { "$python" -m venv --without-pip "$venv" && "$python" -m pip --python "$venv"/bin/python install -q pip; } \
        >>"$log" 2>&1; then
        cat "$log" >&2
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "No virtual environment could be made. On Debian or Ubuntu:" >&2
        echo "    sudo apt-get install python$version-venv" >&2
        exit 1
    fi
fi
pwd >"$venv"/.made-in
trap 'rm -f "$log"' EXIT
