"""Steps recorded once and replayed on a CUDA device: what the training loops use inside."""
