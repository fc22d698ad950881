"""Figures by family; arrays in, a PNG out."""
