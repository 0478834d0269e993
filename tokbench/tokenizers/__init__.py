"""The paper's tokenizers."""
