"""Residual quantization in an autoencoder."""
