"""Questions that a run can answer beyond its comparison: what `make study` adds to it."""
