"""Findings of cdk-nag that stand, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack


def acknowledge(stacks: Mapping[str, Stack]) -> None:
    """Record the reasons."""
