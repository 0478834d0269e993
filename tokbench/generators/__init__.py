"""The paper's generator, and the reference baselines."""
