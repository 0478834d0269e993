"""Records to experiment trackers, one run a cell."""
