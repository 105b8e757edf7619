"""Which partitions a query can need, as far as its WHERE says so beyond doubt.

What is not understood costs time, never rows: then all partitions are opened, and the query itself chooses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from capforecast.lake.query import parsed
from capforecast.lake.sql_files import ALL_UNITS, Value


def wanted(sql: str, table: str, key: str, values: Mapping[str, Value]) -> set[Value] | None:
    """Values of a partition key that a query reads of a table; None = it may be any.

    Every mention of the table must stand in a SELECT whose WHERE asks for `key = <parameter or text>`, or, of a
    parameter that may be `*`, for `(<parameter> = '*' OR key = <parameter>)`.
    """
    from sqlglot import exp

    found: set[Value] = set()
    for mention in parsed(sql).find_all(exp.Table):
        if mention.name != table:
            continue
        fixed = _fixed(mention, key, values)
        if fixed is None:
            return None
        found.add(fixed)
    return found


def _fixed(mention: Any, key: str, values: Mapping[str, Value]) -> Value | None:
    """The one value of a key that the SELECT around a table asks for; None = it asks for none, or for any."""
    select = mention.parent_select
    where = select.args.get("where") if select is not None else None
    if where is None:
        return None
    for condition in _all_of(where.this):
        value = _equal(condition, mention.alias_or_name, key, values)
        if value is not None:
            return value
    return None


def _all_of(condition: Any) -> Iterator[Any]:
    """Conditions that must all hold."""
    from sqlglot import exp

    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _all_of(condition.left)
        yield from _all_of(condition.right)
    else:
        yield condition


def _equal(condition: Any, table: str, key: str, values: Mapping[str, Value]) -> Value | None:
    """The value that a condition holds a key to; None where it does not."""
    from sqlglot import exp

    if isinstance(condition, exp.Or):
        free, other = (side.unnest() for side in (condition.left, condition.right))
        if not isinstance(free, exp.EQ) or not isinstance(free.left, exp.Placeholder):
            return None
        if not isinstance(free.right, exp.Literal) or free.right.name != ALL_UNITS:
            return None
        return None if values.get(free.left.name) == ALL_UNITS else _equal(other, table, key, values)
    if not isinstance(condition, exp.EQ):
        return None
    for column, value in ((condition.left, condition.right), (condition.right, condition.left)):
        if isinstance(column, exp.Column) and column.name == key and column.table in ("", table):
            if isinstance(value, exp.Placeholder):
                return values.get(value.name)
            if isinstance(value, exp.Literal) and value.is_string:
                return str(value.name)
    return None
