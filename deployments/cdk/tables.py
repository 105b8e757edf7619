"""The tables of the lake as data, from the generator of the DDL."""

from __future__ import annotations

from collections.abc import Sequence

from capforecast.lake.athena_ddl import Column, Table, tables

__all__ = ["Column", "Table", "of"]


def of(store: str, business_units: Sequence[str]) -> tuple[Table, ...]:
    """Every table of the lake at `store`; its bucket is not known before it is made, so `store` holds a token.

    None before business units are known: Athena asks for them by name (context `business_units`).
    """
    return tables(store, business_units) if business_units else ()
