"""The real Prefect stack as processes of this machine, without containers. See `python scripts/stack --help`."""
