"""Is anything lost when something goes wrong? `make torture` runs every part; see README.md."""
