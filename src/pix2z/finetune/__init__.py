"""A trained pool goes on training on a user's own galaxies, as ``pix2z finetune`` does it.

`sample` makes galaxies.h5 and its split from the user's file, with the help of `base`, which tells
the galaxies that trained the pool before; `training` trains; `report` says what that gained. A
refused file leaves what stood in the folder; a killed run goes on from its checkpoints when it is
started again, and report.json comes last.
"""
