"""Attention networks over tokens, and the search that writes tuples."""
