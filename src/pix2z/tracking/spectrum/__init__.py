"""Spectrum networks in MLflow: a run and a version per arm, and a run for their assessment."""
