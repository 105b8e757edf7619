"""Charts as the template takes them."""

from __future__ import annotations

import base64
import hashlib
import re

_IDS = re.compile(r'(id="|#)([mp][0-9a-f]{10})\b')  # what matplotlib names by content: charts of one page share some


def picture(svg: str, alt: str) -> dict[str, str]:
    """A chart of ours (canvas.draw) with its words: as an image for print, and as it stands for a page on screen.

    An image cannot use the fonts of the page around it, so a browser would draw its text in another, wider one.
    """
    from markupsafe import Markup

    mine = hashlib.sha256(svg.encode("utf-8")).hexdigest()[:8]
    inline = _IDS.sub(rf"\1c{mine}-\2", svg)
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return {"src": f"data:image/svg+xml;base64,{data}", "alt": alt, "svg": Markup(inline)}
