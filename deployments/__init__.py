"""Ways in: the command line and deployment targets."""
