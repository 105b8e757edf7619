"""The part of the summary on what the report was made from: hashes of inputs, settings and code; versions; prices."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part


class Provenance(Part):
    """What the report was made from. No run id or clock time: the same key is the same inputs, settings and code."""

    run_key: str = Field(description="Hash of inputs, settings, code and versions: the same key, the same report")
    inputs: str = Field(description="Hash of what was read: observations, inventory, prices, models, decisions ...")
    settings: str = Field(description="Hash of the settings that can change a figure or the report")
    code: str = Field(description="Hash of the program's sources")
    versions: dict[str, str] = Field(description="Python, and the libraries that figures and pages come from")
    models: dict[str, str] = Field(default_factory=dict, description="Model version by business unit")
