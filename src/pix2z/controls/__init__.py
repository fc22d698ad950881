"""Catalogue methods that an image model has to beat."""
