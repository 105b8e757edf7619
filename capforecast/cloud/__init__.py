"""Services of AWS beside its storage."""
