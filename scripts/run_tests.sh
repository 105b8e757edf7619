#!/bin/sh
# All tests in two processes side by side: those that talk to a Prefect server, and all others, whose output
# follows at the end. Arguments go to both. docs/decisions/0014 says why. Those of `make e2e`, `make test-aws`, `make test-cdk`, `make test-dashboard` and
# `make e2e-sources` are no part.
set -u
cd "$(dirname "$0")/.." || exit
python=.venv/bin/python
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# each with a folder of compiled kernels of its own: numba's is not made for two processes that compile at once
NUMBA_CACHE_DIR="$PWD/tests/__pycache__/kernels" "$python" -m pytest -m "not system and not stack and not aws and not ddl and not cdk and not monitoring and not browser" -o cache_dir=.pytest_cache/others "$@" \
    >"$log" 2>&1 &
others=$!
echo "tests that talk to a Prefect server:"
"$python" -m pytest -m "system and not stack and not aws and not ddl and not cdk and not monitoring and not browser" "$@"
failed=$?
echo "all other tests:"
wait "$others" || failed=$?
cat "$log"
exit "$failed"
