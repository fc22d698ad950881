"""Any file with galaxy images that people have -> galaxies.h5.

`source` opens a file or a folder in any layout as one `raw` survey: HDF5 through a mapping
(`mapped`, with `units` and `resampling`), Pasquet's npz (`pasquet`, `npz`). `columns` makes its
table. `checks`, `plausibility`, `sentinels` and `duplicates` judge rows and pixels; `galaxies`
writes what is good, and `inspection` tells of a file what `pix2z inspect` shows.
"""
