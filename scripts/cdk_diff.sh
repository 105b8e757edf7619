#!/bin/sh
# Templates of the AWS resources now and at commit $1, into folder $2 (dev and prod, base and head), and their
# difference as Markdown. Needs .venv-cdk (make test-cdk) and git; no AWS account. $1 may be nothing or unknown.
set -eu
cd "$(dirname "$0")/.."
base=${1:-}
to=${2:-build/cdk}
python=$(pwd)/.venv-cdk/bin/python
rm -rf "$to"
mkdir -p "$to/base" "$to/head"
to=$(cd "$to" && pwd)

templates() { # of the tree $1 into $2, with the context of its cdk.json, as the CDK's own program hands it over
    for stage in dev prod; do
        made=$(mktemp -d)
        context=$("$python" -c 'import json, sys; print(json.dumps({**json.load(open(sys.argv[1]))["context"], "stage": sys.argv[2]}))' \
            "$1/deployments/cdk/cdk.json" "$stage") || return 1
        (cd "$1/deployments/cdk" && CDK_CONTEXT_JSON=$context CDK_OUTDIR=$made "$python" app.py >&2) || return 1
        mkdir -p "$2/$stage"
        cp "$made"/*.template.json "$2/$stage/" || return 1
        rm -rf "$made"
    done
}

templates "$(pwd)" "$to/head"
tree=$(mktemp -d)
trap 'git worktree remove --force "$tree" 2>/dev/null || true; rm -rf "$tree"' EXIT
echo "## AWS resources"
if ! git worktree add --quiet --detach "$tree" "$base" 2>/dev/null; then
    echo "Nothing to compare with: commit \`$base\` is not there."
elif ! [ -f "$tree/deployments/cdk/cdk.json" ]; then
    echo "Nothing to compare with: \`$base\` describes none."
elif ! templates "$tree" "$to/base"; then
    echo "Nothing to compare with: \`$base\` cannot be synthesised with the packages of this commit."
elif (cd "$to" && diff -ru base head >changes.diff); then
    echo "The same as in \`$base\`."
else
    # GitHub shows a summary of up to 1 MiB
    # shellcheck disable=SC2016 # marks of Markdown, not of a command
    printf 'Against `%s`, %s lines of templates; all of it is in the artefact `cdk`.\n\n```diff\n' "$base" \
        "$(grep -c '^[-+] ' "$to/changes.diff")"
    head -c 200000 "$to/changes.diff"
    printf '\n```\n'
fi
