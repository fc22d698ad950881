"""Raw file layouts, one per file."""
