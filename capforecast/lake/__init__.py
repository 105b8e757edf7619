"""Where data lives: a folder or S3, the same layout."""
