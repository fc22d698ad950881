"""One frozen section of params.yaml per file."""
