"""From five frames of a field to its catalogue: sources, stars and galaxies, redshifts, pictures.

`frames` opens five files as one field, `detection` finds sources on r (the only module with sep),
`photometry` measures them as SDSS does, `stars` tells stars from galaxies by the field's own stars,
`sources` joins all of it, `catalogue` adds redshifts and writes, `pictures` draws; `arrivals` tells
which fields are whole in a folder that frames come into.
"""
