"""Metrics, controls, comparison, figures and the report."""
