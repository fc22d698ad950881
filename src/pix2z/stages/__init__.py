"""One thin main per DVC stage."""
