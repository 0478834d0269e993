"""Is a difference real? Pure functions of arrays."""
