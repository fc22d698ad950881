"""The only room with keras."""
