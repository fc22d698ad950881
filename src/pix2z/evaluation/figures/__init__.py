"""One figure per file; arrays in, a PNG out."""
