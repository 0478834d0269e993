"""What the measurements of tokenizers share: embeddings that resemble those of texts."""
