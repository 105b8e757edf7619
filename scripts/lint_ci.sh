#!/bin/sh
# Checks what GitHub runs: workflows by actionlint and zizmor, dependabot.yml, shell scripts by shellcheck;
# and that these checks would see what must never get in.
set -eu
cd "$(dirname "$0")/.."
bin=$(pwd)/.venv-checks/bin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# with the shellcheck of .venv-checks, not one that some machines have: the same answer everywhere
actions() { "$bin/actionlint" -shellcheck="$bin/shellcheck" -pyflakes= "$@"; }
security() { "$bin/zizmor" --offline --quiet --no-progress --config .github/zizmor.yml "$@"; }
pinned() {
    # what zizmor leaves open: a tag beside each commit, and one commit for each action
    sed -n 's/^ *\(- \)\{0,1\}uses: *//p' "$@" | grep -v '^\./' | sort -u >"$folder/uses"
    ! grep -Ev '^[A-Za-z0-9._/-]+@[0-9a-f]{40} # v[0-9]+(\.[0-9]+){2}$' "$folder/uses" &&
        sed 's/@.*//' "$folder/uses" | sort | uniq -d >"$folder/twice" && ! grep . "$folder/twice"
}
refused() {
    what=$1
    shift
    if "$@" >"$folder/said" 2>&1; then
        echo "lint-ci: $what was not refused" >&2
        exit 1
    fi
}

actions .github/workflows/*.yml
security .github
pinned .github/workflows/*.yml
"$bin/check-jsonschema" --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
"$bin/shellcheck" .ci/run scripts/*.sh deployments/docker/*.sh

workflow=.github/workflows/ci.yml
sed 's/ubuntu-24.04/ubuntu-24.40/' $workflow >"$folder/runner.yml"
refused "a runner that is none" actions "$folder/runner.yml"
sed 's/needs: \[lint,/needs: [lnt,/' $workflow >"$folder/needs.yml"
refused "a job that is none" actions "$folder/needs.yml"
sed 's/matrix.python/matrix.pyhton/' $workflow >"$folder/matrix.yml"
refused "a misspelt key of the matrix" actions "$folder/matrix.yml"
sed 's/run: make lint$/run: echo ${{ github.event.pull_request.title }}/' $workflow >"$folder/injection.yml"
refused "a title of a pull request as a command" security "$folder/injection.yml"
sed 's/@[0-9a-f]\{40\} # v6.0.1/@v6/' $workflow >"$folder/unpinned.yml"
refused "an action by its tag" security "$folder/unpinned.yml"
refused "an action by its tag" pinned "$folder/unpinned.yml"
sed 's/contents: read/contents: write/' $workflow >"$folder/rights.yml"
refused "the right to write for all jobs" security "$folder/rights.yml"
sed 's/persist-credentials: false/fetch-tags: false/' $workflow >"$folder/credentials.yml"
refused "a checkout that leaves its token behind" security "$folder/credentials.yml"
sed 's/package-ecosystem: docker$/package-ecosystem: dokcer/' .github/dependabot.yml >"$folder/dependabot.yml"
# shellcheck disable=SC2016 # the $1 is the script's
printf '#!/bin/sh\nrm -rf $1/data\n' >"$folder/script.sh"
refused "a name that falls apart at blanks" "$bin/shellcheck" "$folder/script.sh"
refused "a misspelt ecosystem" "$bin/check-jsonschema" --quiet --builtin-schema vendor.dependabot "$folder/dependabot.yml"
echo "lint-ci: the workflows are sound"
