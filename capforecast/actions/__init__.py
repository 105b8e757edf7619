"""What to do about it: segments, prices, right-sizing, consolidation, savings, with evidence."""
