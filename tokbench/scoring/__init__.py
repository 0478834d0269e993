"""How a run is scored: splits, collision policies, placements, metrics, intrinsic measures."""
