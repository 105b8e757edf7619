"""Prefect flows: order, fan-out, runs; no data-frame work."""
