"""Steps recorded once and replayed on a CUDA device."""
