"""What can go wrong with store, registry, models and DVC's cache: found, explained, never mended.

Every check is a function that returns findings. A finding names the command that mends it; those
that no tool of MLflow, DVC or git can mend have one of ours, ``pix2z doctor --mend NAME``, which
looks for the fault again before it changes anything.
"""
