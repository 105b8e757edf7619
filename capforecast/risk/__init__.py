"""What may go wrong: breach probability, days to threshold, tiers."""
