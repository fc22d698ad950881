"""A trained pool goes on training on a user's own galaxies.

`sample` makes galaxies.h5 and its split from the user's file, with the help of `base`, which tells
the galaxies that trained the pool before; `training` trains; `report` says what that gained;
`finetuning` is all of it in order, as ``pix2z finetune`` does it.
"""
