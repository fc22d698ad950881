"""From pixels to a catalogue of redshifts: prediction at any size, and its files."""
