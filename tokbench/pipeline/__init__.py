"""How a run is resolved, executed and kept."""
