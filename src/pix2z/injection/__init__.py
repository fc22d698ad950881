"""Rendered galaxies of known redshift in real frames: how far rendered stamps can be trusted.

`galaxies` reads the galaxies that the renderer drew, `seeing` measures the field that they are put
into, `frames` adds them to its five bands and cuts them out again as `pix2z catalogue` would.
`measured` asks a model for their redshifts, `detected` whether they are found, `report` compares
and `words` says it; `raw_file` keeps their stamps for a model to be fine-tuned on.
"""
