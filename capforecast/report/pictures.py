"""Charts as the template takes them."""

from __future__ import annotations

import base64


def picture(svg: str, alt: str) -> dict[str, str]:
    """An image that is part of the document, with its words."""
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return {"src": f"data:image/svg+xml;base64,{data}", "alt": alt}
