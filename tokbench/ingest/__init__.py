"""Raw and foreign files in, the items.jsonl / sequences.jsonl folder out."""
