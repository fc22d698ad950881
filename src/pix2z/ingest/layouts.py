"""The layouts that pix2z knows: where files that many people share keep things, as values."""

from pix2z.config.ingest import Hdf5Mapping, Key
from pix2z.dataset.store import SCHEMA_VERSION

__all__ = ["GALAXIES", "NERSC", "PASQUET", "SDSS32", "KnownMapping"]


class KnownMapping(Hdf5Mapping):
    """Where a layout keeps things that many files share, whose size and unit are known.

    Stamps are `side` pixels wide, in nanomaggies where nothing else is said. Files with a
    `schema_version` have all columns, others may lack any of them.
    """

    side: int
    schema_version: int | None = None
    moved: Key | None = None
    z_warning: Key | None = None
    spectral_class: Key | None = None


SDSS32 = KnownMapping(
    side=32,
    axes="NCHW",
    redshift="specz_redshift",
    redshift_error="specz_redshift_err",
    object_id="ObjID",
    ra="ra",
    dec="dec",
    ebv="e_bv",
    z_warning="zwarning",
    spectral_class="class",
    group_id="truth/parent",
    moved="truth/moved",
    seeing="truth/psf_fwhm",
)
"""The published experiment's stamps with NERSC's keys, and what semi-real files know besides."""

NERSC = SDSS32.model_copy(update={"side": 107, "masked_value": 0.0})
"""NERSC's files. Noise is never exactly 0, so a pixel of 0 was not measured. 107 is odd and 32
even, so no crop is centred exactly. Pixels 37 to 68 of each axis are kept: the middle one, 53,
becomes pixel 16, half a pixel above the crop's centre, 15.5."""

GALAXIES = KnownMapping(
    side=32,
    schema_version=SCHEMA_VERSION,
    axes="NHWC",
    redshift="specz_redshift",
    redshift_error="specz_redshift_err",
    object_id="object_id",
    group_id="group_id",
    ra="ra",
    dec="dec",
    ebv="ebv",
    seeing="seeing",
    moved="moved",
)
"""What ingest itself writes."""

PASQUET = KnownMapping(side=64, images="cube", axes="NHWC", redshift="z")
"""The npz of Pasquet et al. (2019), whose columns `arrays` finds by their names."""
