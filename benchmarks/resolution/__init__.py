"""What a core-hour can tell apart, from the records."""
