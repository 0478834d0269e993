"""The datasets' own files, as their publishers give them."""
