"""Sources of item texts and interactions."""
