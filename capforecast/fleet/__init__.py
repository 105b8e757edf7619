"""What we saw: panel, quality, calendar, inventory, synthetic fleets."""
