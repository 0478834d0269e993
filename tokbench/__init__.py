"""tokbench: the benchmark suite for semantic tokenizers in generative recommendation."""
