"""What a file says of its pixels: claims under names that are understood, and units of flux."""
