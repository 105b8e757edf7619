"""Prefect tasks: one stage each, cached and retried; no arithmetic."""
