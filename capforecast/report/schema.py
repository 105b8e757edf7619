"""The JSON Schema of summary.json, made from RunSummary: `python -m capforecast.report.schema` prints it.

docs/summary.schema.json holds what it prints; a test compares the two (`make schema` writes it anew).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from capforecast.report.summary import RunSummary

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def summary_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of summary.json: every field is there, described, and no other."""
    made = RunSummary.model_json_schema(mode="serialization", schema_generator=_Untitled)
    made["properties"]["schema_version"]["const"] = RunSummary.model_fields["schema_version"].default
    return {
        "$schema": DIALECT,
        "$id": f"urn:capforecast:summary:{made['properties']['schema_version']['const']}",
    } | made


def schema_text() -> str:
    """The schema as it stands in docs/summary.schema.json."""
    return json.dumps(summary_schema(), indent=2, ensure_ascii=False) + "\n"


class _Untitled(GenerateJsonSchema):
    """Without a title per field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


if __name__ == "__main__":
    sys.stdout.write(schema_text())
