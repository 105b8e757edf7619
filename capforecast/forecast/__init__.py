"""What comes next: the batched fleet engine and its evidence."""
