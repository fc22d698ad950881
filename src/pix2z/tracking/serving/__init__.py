"""Serving a registered version: what a request says, and the server of ``pix2z serve``."""
