"""pix2z: galaxy redshifts from five-band image pixels."""

__version__ = "0.1.0"
