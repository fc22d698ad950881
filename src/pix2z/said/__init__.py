"""What a file says of its pixels: one list of names for all readers, and units of flux."""
