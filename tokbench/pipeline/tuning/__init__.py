"""Search for the best options of a method, on validation users only."""
