"""What a chat and an e-mail say of a report."""

from __future__ import annotations

import json

from action_samples import with_actions
from report_samples import report_data, servers_frame

from capforecast.report.messages import LONGEST_HEADER, Message, email, message_of, slack
from capforecast.report.summary import RunSummary

LINKS = {"page": "https://reports.example.com/lake/a.html", "PDF": "s3://bucket/a.pdf"}
HOSTILE = "<script>alert(1)</script> & <!channel> <https://evil.example|x> *b* \u202e :bomb:\r\nBcc: all@example.com"


def summary() -> RunSummary:
    return with_actions(report_data(servers_frame(30), organisation="Acme")).summary


def message(**changes: object) -> Message:
    found = message_of(summary(), LINKS)
    return Message(**(vars(found) | changes))  # type: ignore[arg-type]


def test_a_message_gives_the_answer_tiers_actions_and_links():
    whole, said = summary(), json.dumps(slack(message()), ensure_ascii=False)
    assert "Acme: Weekly capacity report, as of 5 Jan 2026" in said
    assert f"{whole.tiers.critical + whole.tiers.high} of 30 servers are at risk" in said
    assert all(f"{tier}: {count}" in said for tier, count in whole.tiers.model_dump().items())
    assert "Actions: " in said
    assert whole.top_risks[0].server_id in said
    assert "<https://reports.example.com/lake/a.html|page>" in said
    assert "PDF: s3://bucket/a.pdf" in said
    mail = email(message(), "a@example.com", ["b@example.com"], b"%PDF")
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        text = part.get_content()
        assert "servers are at risk" in text
        assert "https://reports.example.com/lake/a.html" in text
        assert "attached" in text


def test_a_unit_that_is_missing_is_said():
    whole = summary()
    failed = whole.business_units[0].model_copy(update={"status": "failed", "problem": "disk full"})
    told = message_of(whole.model_copy(update={"business_units": [failed]}), {})
    assert ("Missing", f"{failed.name}: disk full") in told.facts


def test_text_of_data_is_neither_markup_nor_mention_nor_header():
    whole = summary().model_copy(update={"title": HOSTILE, "organisation": "n" * 300})
    risk = whole.top_risks[0].model_copy(update={"server_id": HOSTILE, "sentence": HOSTILE * 30})
    told = message_of(whole.model_copy(update={"top_risks": [risk]}), LINKS)
    chat = slack(told)
    texts = [chat["text"], *[b["text"]["text"] for b in chat["blocks"] if "text" in b]]
    assert not any("<" in text or ">" in text for text in texts)
    assert all(b["text"]["type"] == "plain_text" and not b["text"]["emoji"] for b in chat["blocks"] if "text" in b)
    header = chat["blocks"][0]["text"]["text"]
    assert len(header.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")) <= LONGEST_HEADER
    assert all(len(text) < 4000 for text in texts)
    mail = email(told, "a@example.com", ["b@example.com"], None)
    assert mail["Bcc"] is None
    assert "\n" not in str(mail["Subject"])
    body = mail.get_body(("html",))
    assert body is not None
    assert "<script>" not in body.get_content()
    assert "&lt;script&gt;" in body.get_content()


def test_a_report_too_large_for_mail_servers_is_not_attached():
    mail = email(message(), "a@example.com", ["b@example.com"], b"x" * (11 << 20))
    assert not list(mail.iter_attachments())
    assert "attached" not in mail.get_body(("plain",)).get_content()
