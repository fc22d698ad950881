"""Any file with galaxy images that people have -> galaxies.h5.

`source` opens a file or a folder in any layout as one `raw` survey. `layouts` are mappings, values
like a user's own; `mapped` makes a survey of what a mapping names, and reads HDF5 so; `arrays`
(with `npz`) reads numpy's files, `fits_images` (with `fits_headers`) FITS. What a file says of
itself is read in `attributes`; `conversion` and `resampling` make stamps of its pixels, `columns`
the table of its columns. `checks`, `plausibility`, `stretches`, `sentinels`, `positions` and
`duplicates` judge rows and pixels; `galaxies` writes what is good. `inspection` and `contents` tell
of a file what `pix2z inspect` shows.
"""
