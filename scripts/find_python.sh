#!/bin/sh
# Prints a Python fit for this project: $PYTHON if given, else python3.11, else python3, where it is 3.11 or newer.
for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
done
found=$("${PYTHON:-python3}" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null)
echo "capforecast needs Python 3.11 or newer; ${PYTHON:-python3} is ${found:-not a Python that runs}." >&2
echo "Install it (Debian, Ubuntu: sudo apt-get install python3.11 python3.11-venv) or name one:" >&2
echo "    make PYTHON=/path/to/python3.11 ..." >&2
exit 1
