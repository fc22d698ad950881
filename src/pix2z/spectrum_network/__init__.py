"""From images to a spectrum: the second room with Keras."""
