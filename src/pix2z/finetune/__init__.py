"""A trained pool goes on training on a user's galaxies."""
