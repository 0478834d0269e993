"""k-means in blocks and threads."""
