"""What the scanner finds, what it lets pass, and that this repository holds none of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import scan_secrets

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT = "4815162342" + "99"
# Put together here, so that the scanner does not find them in this file.
SEEDED = {
    "AWS access key": "key = AKIA" + "Z7QJ4MXN2PLK8RWT",
    "AWS secret key": "aws_secret_access_key" + " = b8Gq/2ZpLx0Vt+Yc5RkWm7Nf4Hs1Ju9Da3Ee6TiO",
    "private key": "-----BEGIN RSA PRIVATE " + "KEY-----",
    "GitHub token": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "Slack token": "https://hooks.slack.com/services/" + "T0123ABCD/B0123ABCD/abcdEFGH1234ijklMNOP",
    "package registry token": "npm_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "signed token": "eyJhb" + "GciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    "secret": 'password: "' + 'q9X2mV7rTz4KpL8w"',
    "account id": f"arn:aws:iam::{ACCOUNT}:role/deploy",
    "bucket name": "store: s3:" + "//acme-prod-capacity/lake",
}


@pytest.mark.parametrize("rule", scan_secrets.RULES)
def test_each_rule_finds_what_it_is_for(rule: str) -> None:
    assert rule in scan_secrets.findings(SEEDED[rule])


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("account id", f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/capforecast"),
        ("account id", f'"SourceAccount": "{ACCOUNT}"'),
        ("account id", f"--source-account {ACCOUNT}"),
        ("bucket name", '"Resource": "arn:aws:s3' + ':::acme-prod-capacity/*"'),
        ("account id", f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/failed"),
        ("account id", f'"accounts": ["{ACCOUNT}"]'),
        ("account id", "AccountId: 4815-" + "1623-4299"),
        ("account id", f"aws://{ACCOUNT}/eu-west-1"),
        ("bucket name", "https://acme-prod-capacity.s3" + ".eu-west-1.amazonaws.com/key"),
        ("bucket name", "https://s3" + ".eu-west-1.amazonaws.com/acme-prod-capacity/key"),
        ("bucket name", "S3:" + "//acme-prod-capacity/lake"),
        ("bucket name", "bucket_name: " + "acme-prod-capacity"),
        ("bucket name", '"bucket": ' + '"acme-prod-capacity"'),
        ("private key", "-----BEGIN PGP PRIVATE " + "KEY BLOCK-----"),
        ("secret", "password: " + "q9X2mV7rTz4KpL8w"),
        ("secret", "postgresql://prefect:" + "q9X2mV7rTz4KpL8w@db/prefect"),
    ],
)
def test_what_is_looked_for_is_found_in_other_forms_too(rule: str, line: str) -> None:
    assert scan_secrets.findings(line) == [rule]


@pytest.mark.parametrize(
    "line",
    [
        "arn:aws:iam::111122223333:role/capforecast",
        "AKIAIOSFODNN7EXAMPLE",
        "store: s3://my-bucket/lake",
        "s3://{bucket}/lake, s3://$BUCKET/lake, s3://${BUCKET}/lake",
        "arn:aws:s3:::<bucket>/*",
        "password: ${POSTGRES_PASSWORD:?give one}",
        'token: "{{ prefect.blocks.secret.alerts }}"',
        "secret: 'a-name-of-words-only-as-a-place'",
        "sha256: 0123456789012345678901234567890123456789",
        "as_of=2026-11-23 012345678901",
    ],
)
def test_examples_placeholders_and_figures_pass(line: str) -> None:
    assert scan_secrets.findings(line) == []


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def test_a_seeded_secret_is_told_by_its_place_and_never_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "notes.md").write_text("first\n" + SEEDED["AWS access key"] + "\n")
    (tmp_path / "picture.png").write_bytes(b"\0" + SEEDED["private key"].encode())
    monkeypatch.setattr("sys.argv", ["scan_secrets", str(tmp_path)])
    assert scan_secrets.main() == 1
    told = capsys.readouterr().err
    assert "notes.md:2: AWS access key" in told
    assert "Z7QJ4MXN2PLK8RWT" not in told
    assert "picture.png" not in told


def test_what_was_taken_out_again_is_still_in_the_history(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "notes.md").write_text(SEEDED["bucket name"] + "\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "notes.md").write_text("nothing\n")
    git(tmp_path, "commit", "-qam", "two")
    assert scan_secrets.scan(tmp_path) == []
    (found,) = scan_secrets.scan(tmp_path, history=True)
    assert found.endswith("notes.md: bucket name")


def test_the_history_has_no_hiding_places(tmp_path: Path) -> None:
    key = SEEDED["AWS access key"]
    git(tmp_path, "init", "-q", "-b", "main")

    def add(name: str, content: str) -> None:
        (tmp_path / name).write_text(content + "\n", encoding="utf-16" if name == "wide.txt" else "utf-8")
        git(tmp_path, "add", "-A")

    add("first", "a")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "switch", "-qc", "side")
    add("second", "b")
    git(tmp_path, "commit", "-qm", "second")
    git(tmp_path, "switch", "-q", "main")
    git(tmp_path, "merge", "-q", "--no-ff", "--no-commit", "side")
    add("merged", key)  # in the merge itself, and in neither parent
    add(".gitattributes", "*.pem -diff")
    git(tmp_path, "commit", "-qm", "merge")
    add("binary.pem", key)
    add("name", f"++ b/{key}")  # looks like the header of a file
    add("wide.txt", key)
    git(tmp_path, "commit", "-qm", f"message\n\n+++ {key}")
    assert "wide.txt:1: AWS access key" in scan_secrets.scan(tmp_path)
    git(tmp_path, "rm", "-q", "merged", "binary.pem", "name", "wide.txt")
    git(tmp_path, "commit", "-qm", "all gone")
    assert scan_secrets.scan(tmp_path) == []
    found = {each.split(":")[1] for each in scan_secrets.scan(tmp_path, history=True)}
    assert found == {"merged", "binary.pem", "name", "wide.txt", "message"}


def test_this_repository_holds_none() -> None:
    assert scan_secrets.scan(ROOT) == []
