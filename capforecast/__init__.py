"""capforecast: which servers run out of capacity, when, how sure that is, and what to do about it."""

__version__ = "0.1.0"
