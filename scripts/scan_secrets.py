"""Looks for secrets, account ids and bucket names in what git tracks; with --history, in every commit too.

Exit status 1 and one line a finding, `file:line: rule`, without what was found: a log is no place for a secret.
What stands for an account or a bucket in docs and tests is named in ACCOUNTS and BUCKETS, and nothing else may.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

ACCOUNTS = {"111122223333", "123456789012", "000000000000"}  # AWS's own examples, and nobody
# Names in examples and tests. A bucket that exists is a setting of whoever runs this, never of the repository.
BUCKETS = {
    "answers", "b", "bucket", "capforecast", "data", "example-bucket", "lake", "lambda-benchmark", "my-backup",
    "my-bucket", "no-such-bucket", "user",
}  # fmt: skip
EXAMPLE = re.compile(r"EXAMPLE(KEY)?$")  # how AWS ends keys that are none

# Each finds, in a group where only a part counts, what must not be there.
RULES = {
    "AWS access key": re.compile(r"\b((?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16})\b"),
    "AWS secret key": re.compile(r"(?i)secret[\w.\-]{0,20}[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])"),
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,})"),
    "Slack token": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16,}"),
    "package registry token": re.compile(r"\b(?:pypi-AgE[\w-]{50,}|npm_[A-Za-z0-9]{36})"),
    "signed token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    "secret": re.compile(
        r"(?i)(?:password|passwd|secret|token|api_?key)[\"']?\s*[:=]\s*[\"']([^\s\"'{}$<>]{16,})[\"']"
        r"|(?:password|passwd|secret|token|api_?key)\s*[:=]\s*([\w/+-]{16,}=*)\s*(?:#.*)?$"
        r"|://[^\s:/@{}$<>]+:([^\s:/@{}$<>]{16,})@"
    ),
    "account id": re.compile(
        r"(?i)arn:aws[\w-]*:[\w-]*:[\w-]*:(\d{12}):|\b(\d{12})\.dkr\.ecr\."
        r"|account[\w-]{0,12}[\"']?\s*[:=,]?\s*[\[(]?\s*[\"']?(\d{12}|\d{4}-\d{4}-\d{4})\b"
        r"|amazonaws\.com/(\d{12})/|\baws://(\d{12})/|\bcdk-\w+-[a-z-]+-(\d{12})-"
    ),
    "bucket name": re.compile(
        r"(?i:s3a?)://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?![\w{$<*])"
        r"|\bs3[.-](?:[a-z0-9-]+\.)?amazonaws\.com/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?![\w{$<*])"
        r"|(?i:bucket(?:[_-]?name)?)[\"']?\s*[:=]\s*[\"']([a-z0-9][a-z0-9.]*-[a-z0-9.-]{1,61}[a-z0-9])[\"']"
        r"|^\s*(?i:[\w-]*bucket(?:[_-]?name)?)\s*[:=]\s*([a-z0-9][a-z0-9.]*-[a-z0-9.-]{1,61}[a-z0-9])\s*(?:#.*)?$"
        r"|arn:aws[\w-]*:s3:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?![\w{$<*])"
        r"|\b([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com"
    ),
}
LEAST_BITS = 3.5  # of a character, for a text to look drawn by chance; English words joined have less


def findings(line: str) -> list[str]:
    """Names of the rules that a line breaks."""
    return [rule for rule, pattern in RULES.items() if any(_counts(rule, found) for found in pattern.finditer(line))]


def _counts(rule: str, found: re.Match[str]) -> bool:
    value = next((group for group in found.groups() if group), found.group())
    if rule == "account id":
        return value.replace("-", "") not in ACCOUNTS
    if rule == "bucket name":
        return value.strip(".") not in BUCKETS
    if EXAMPLE.search(value):
        return False
    return rule != "secret" or _drawn(value)


def _drawn(value: str) -> bool:
    """Letters and digits, with the entropy of a text drawn by chance."""
    share = [count / len(value) for count in Counter(value).values()]
    bits = -sum(part * math.log2(part) for part in share)
    return bool(re.search(r"\d", value) and re.search(r"[A-Za-z]", value)) and bits >= LEAST_BITS


def _tracked(root: Path) -> Iterator[tuple[str, Iterable[str]]]:
    """Files that git tracks or would, with their lines; not those that are no text."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in sorted(set(filter(None, listed.split("\0")))):
        path = root / name
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            yield name, content.decode("utf-16", "replace").splitlines()
        elif b"\0" not in content[:8192]:
            yield name, content.decode("utf-8", "replace").splitlines()


def _added(root: Path) -> Iterator[tuple[str, str]]:
    """Commit and file, and line, of all that was ever added, and of what was said with it.

    With what a merge brought in by itself, and files that attributes call binary: neither is in a plain `git log -p`.
    """
    form = "--format=commit %h%n%w(0,1,1)%B"  # no line of a message begins like one of ours
    log = _git(
        root, "log", "--all", "-p", "-U0", "--cc", "--text", "--no-textconv", "--no-color", "--no-ext-diff", form
    )
    commit = name = ""
    for line in log.split("\n"):
        if line.startswith("commit "):
            commit, name = line.removeprefix("commit "), "message"
        elif line.startswith("diff --"):
            name = ""  # the names follow, up to the first @@
        elif line.startswith("+++ ") and not name:
            name = line.removeprefix("+++ b/")
        elif name == "message" or line.lstrip(" ").startswith("+"):
            yield f"{commit}:{name}", line.replace("\0", "")[1:]


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace")


def scan(root: Path, history: bool = False) -> list[str]:
    """What was found below a checkout, one text a finding. Raises CalledProcessError where git does not answer."""
    found = [
        f"{name}:{number}: {rule}"
        for name, lines in _tracked(root)
        for number, line in enumerate(lines, 1)
        for rule in findings(line)
    ]
    if history:
        found += [f"{place}: {rule}" for place, line in _added(root) for rule in findings(line)]
    return list(dict.fromkeys(found))


def main() -> int:
    """Prints what was found; 1 if anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1], help="a checkout")
    parser.add_argument("--history", action="store_true", help="every commit, too")
    given = parser.parse_args()
    found = scan(given.root, given.history)
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print(
            "A secret that was committed is known: revoke it first, then take it out (docs/ci.md#secrets). "
            "An account of an example is 111122223333, a bucket my-bucket.",
            file=sys.stderr,
        )
        return 1
    print(f"scan_secrets: none found{' in any commit' if given.history else ''}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
