"""What is said of a report in a chat or an e-mail: the headline, tiers, what to do, links. Text of data stays text."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from capforecast.report.answer import headline
from capforecast.report.changes_words import changes_fact
from capforecast.report.data import as_of_time
from capforecast.report.model_notes import model_notes
from capforecast.report.style import printable, shorten
from capforecast.report.summary import RunSummary
from capforecast.report.words import NBSP, date_text
from capforecast.schema import TIER_ORDER

LONGEST_HEADER, LONGEST_TEXT = 150, 2900  # characters; Slack refuses headers above 150 and texts above 3,000
MOST_BYTES = 10 << 20  # of an attachment; many mail servers refuse more
_RISKS, _POOLS = 5, 3  # named in a message
_LONGEST_SENTENCE = 300


@dataclass(frozen=True)
class Message:
    """facts: what it is about, and a sentence.  risks: server, and why.  links: what a file is called, its address."""

    title: str
    headline: str
    tiers: dict[str, int]
    facts: list[tuple[str, str]]
    risks: list[tuple[str, str]]
    links: dict[str, str]


def message_of(summary: RunSummary, links: Mapping[str, str]) -> Message:
    """What is said of a run's report."""
    facts = [("Missing", f"{unit.name}: {unit.problem}") for unit in summary.business_units if unit.status == "failed"]
    if (changed := changes_fact(summary)) is not None:
        facts.append(changed)
    if summary.actions is not None:
        facts.append(("Actions", summary.actions.sentence))
    facts += [("Pool", pool.sentence) for pool in summary.pools if pool.buy_q90][:_POOLS]
    if summary.warnings is not None:
        facts.append(("Warnings", summary.warnings.sentence))
    facts += [("Models", note) for note in model_notes(summary.model_dump())]
    about = f"{summary.organisation}: " if summary.organisation else ""
    return Message(
        title=_line(f"{about}{summary.title}, as of {date_text(as_of_time(summary))}"),
        headline=_line(headline(summary)),
        tiers={tier.value: getattr(summary.tiers, tier) for tier in TIER_ORDER},
        facts=[(name, _line(text)) for name, text in facts],
        risks=[(_line(risk.server_id), _line(risk.sentence)) for risk in summary.top_risks[:_RISKS]],
        links=dict(links),
    )


def slack(message: Message) -> dict[str, Any]:
    """The message as a Slack-compatible webhook takes it: a text for notifications, and blocks."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.title, LONGEST_HEADER)},
        {"type": "section", "text": _plain(message.headline)},
        {"type": "section", "fields": [_plain(f"{name}: {count}") for name, count in message.tiers.items()]},
    ]
    paragraphs = ([f"{name}: {text}" for name, text in message.facts], _told(message.risks))
    blocks += [{"type": "section", "text": _plain("\n".join(lines))} for lines in paragraphs if lines]
    if message.links:
        parts = [_link(name, address) for name, address in message.links.items()]
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": part} for part in parts]})
    return {"text": _escaped(shorten(f"{message.title}: {message.headline}", LONGEST_TEXT)), "blocks": blocks}


def email(message: Message, sender: str, receivers: Sequence[str], pdf: bytes | None) -> EmailMessage:
    """The message as text and HTML, the PDF attached where there is one that is not too large."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = shorten(f"{message.title}: {message.headline}", 200)
    mail["From"], mail["To"] = sender, ", ".join(receivers)
    attached = pdf is not None and len(pdf) <= MOST_BYTES
    mail.set_content(_text(message, attached))
    mail.add_alternative(_html(message, attached), subtype="html")
    if pdf is not None and attached:
        mail.add_attachment(pdf, maintype="application", subtype="pdf", filename="capacity-report.pdf")
    return mail


def _line(text: str) -> str:
    """One line that can stand in a header, and ends nobody's limit."""
    return shorten(printable(text).replace(NBSP, " ").strip(), _LONGEST_SENTENCE)


def _told(risks: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{server}: {why}" for server, why in risks]


def _tiers(message: Message) -> str:
    return ", ".join(f"{count} {name}" for name, count in message.tiers.items())


def _text(message: Message, attached: bool) -> str:
    parts = [message.title, "", message.headline, _tiers(message) + "."]
    parts += ["", *[f"{name}: {text}" for name, text in message.facts]] if message.facts else []
    parts += ["", "Look at first:", *[f"* {line}" for line in _told(message.risks)]] if message.risks else []
    parts += ["", *[f"{name}: {address}" for name, address in message.links.items()]]
    return "\n".join([*parts, *(["", "The report is attached."] if attached else []), ""])


def _html(message: Message, attached: bool) -> str:
    def rows(pairs: Sequence[tuple[str, str]]) -> str:
        cells = (f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in pairs)
        return f'<table cellpadding="4" cellspacing="0">{"".join(cells)}</table>'

    parts = [f"<h2>{html.escape(message.title)}</h2>", f"<p><b>{html.escape(message.headline)}</b></p>"]
    parts.append(f"<p>{html.escape(_tiers(message))}.</p>")
    parts += [rows(message.facts)] if message.facts else []
    parts += ["<p>Look at first:</p>", rows(message.risks)] if message.risks else []
    links = [f'<a href="{html.escape(address)}">{html.escape(name)}</a>' for name, address in message.links.items()]
    parts += [f"<p>{' &#183; '.join(links)}</p>"] if links else []
    parts += ["<p>The report is attached.</p>"] if attached else []
    body = "\n".join(parts)
    return f'<!doctype html><html lang="en"><body style="font-family:sans-serif">\n{body}\n</body></html>\n'


def _plain(text: str, longest: int = LONGEST_TEXT) -> dict[str, Any]:
    """Text in which nothing is markup, a mention or an emoji. Its length counts before it is escaped."""
    return {"type": "plain_text", "text": _escaped(shorten(text, longest)), "emoji": False}


def _escaped(text: str) -> str:
    """Text with what Slack reads as control characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _link(name: str, address: str) -> str:
    """A link where a browser can open the address, the address itself where not."""
    if address.startswith(("http://", "https://")):
        return f"<{address.replace('|', '%7C').replace('>', '%3E')}|{_escaped(name)}>"
    return f"{_escaped(name)}: {_escaped(address)}"
