"""Four real SDSS fields become catalogues; SDSS's own catalogue of one of them is the reference."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy.spatial import cKDTree

from pix2z.dataset.photometry import magnitude
from pix2z.field.frames import open_field
from pix2z.field.sources import SourceFlag, Sources, find_sources
from pix2z.imaging import PIXEL_SCALE

FIELDS = ("003918-3-0213", "001043-5-0025", "005112-4-0345", "000094-1-0012")
REFERENCE = "000094-1-0012"
STAR, GALAXY, R = 6, 3, 2
GALAXY_WITH_SPECTRUM = (229.52557, 42.74585)
GUIDE = (Path(__file__).parents[2] / "docs/guide.md").read_text()
ROWS = (
    (GALAXY, 0, 17.8, "galaxies, r < 17.8"),
    (GALAXY, 17.8, 20, "galaxies, 17.8 < r < 20"),
    (STAR, 0, 17.8, "stars, r < 17.8"),
    (STAR, 17.8, 20, "stars, 17.8 < r < 20"),
)


@pytest.fixture(scope="module", params=FIELDS)
def field(request, real_data: Path) -> tuple[str, Sources]:
    frames = open_field(sorted((real_data / "frames").glob(f"frame-?-{request.param}.fits.bz2")))
    return request.param, find_sources(frames)


@pytest.fixture(scope="module")
def reference(real_data: Path):
    """SDSS's sources in r, those that its deblender did not divide further, on the r frame."""
    name = f"photoObj-{REFERENCE}.fits"
    table = fits.getdata(real_data / "catalogues" / name)
    frames = open_field(sorted((real_data / "frames").glob(f"frame-?-{REFERENCE}.fits.bz2")))
    x, y = frames["r"].wcs.all_world2pix(table["RA"], table["DEC"], 0)
    inside = (x >= 0) & (x < 2048) & (y >= 0) & (y < 1489)
    kept = (table["NCHILD"] == 0) & inside
    return find_sources(frames), table[kept], np.stack([x, y], axis=1)[kept]


@pytest.fixture(scope="module")
def pairs(reference):
    """Row of ours nearest to each of SDSS's, whether it is within 1.5 arcsec, and the reverse."""
    sources, _, places = reference
    mine = np.stack([sources.x, sources.y], axis=1)
    far, ours = cKDTree(mine).query(places)
    back, theirs = cKDTree(places).query(mine)
    limit = 1.5 / PIXEL_SCALE
    return ours, far < limit, theirs, back < limit


def test_a_field_has_stars_galaxies_and_saturated_stars_as_sdss_fields_do(field):
    name, sources = field
    assert 250 < len(sources) < 600, name
    assert not (sources.flags & SourceFlag.NO_STARS).any()
    assert 2 <= (sources.flags & SourceFlag.SATURATED != 0).sum() <= 12
    bright = sources.magnitude < 17.8
    assert 3 <= (sources.is_galaxy & bright).sum() <= 12
    assert (~sources.is_galaxy & bright).sum() > 15
    assert np.abs(np.median(sources.excess[~sources.is_galaxy & bright])) < 0.01
    if name == FIELDS[0]:
        ra, dec = GALAXY_WITH_SPECTRUM
        apart = 3600 * np.hypot((sources.ra - ra) * np.cos(np.deg2rad(dec)), sources.dec - dec)
        assert apart.min() < 0.3
        assert sources.is_galaxy[apart.argmin()]


def test_places_fluxes_and_sizes_are_those_of_sdss(reference, pairs):
    sources, table, _ = reference
    ours, near, *_ = pairs
    r = magnitude(table["MODELFLUX"][:, R])
    kind = table["OBJC_TYPE"]
    both = near & (r < 20) & np.isin(kind, (STAR, GALAXY))
    dec = np.deg2rad(table["DEC"])
    apart = 3600 * np.hypot(
        (sources.ra[ours] - table["RA"]) * np.cos(dec), sources.dec[ours] - table["DEC"]
    )
    assert np.median(apart[both]) < 0.1
    change = sources.magnitude[ours] - magnitude(table["PETROFLUX"][:, R])
    size = sources.half_light[ours] / table["PETROTH50"][:, R]
    for one, limit, most, ratio in ((STAR, 20, 0.02, 0.05), (GALAXY, 17.8, 0.06, 0.06)):
        some = both & (kind == one) & (r < limit)
        assert abs(np.nanmedian(change[some])) < most
        assert abs(np.nanmedian(size[some]) - 1) < ratio
    for one, low, high, words in ROWS:
        some = both & (kind == one) & (r >= low) & (r < high)
        cells = [_spread(values[some]) for values in (change, size)]
        assert f"| {words} | {some.sum()} | {' | '.join(cells)} |" in GUIDE


def _spread(values) -> str:
    """Median, and the 16th to the 84th percentile."""
    low, median, high = np.round(np.nanpercentile(values, (16, 50, 84)), 2) + 0.0
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


@pytest.mark.parametrize(("limit", "least"), [(17.8, 1.0), (20.0, 0.95)])
def test_galaxies_are_told_from_stars_as_sdss_does(reference, pairs, limit, least):
    """Completeness of SDSS's galaxies, and purity of ours against its stars."""
    sources, table, _ = reference
    ours, near, theirs, back = pairs
    kind, r = table["OBJC_TYPE"], magnitude(table["MODELFLUX"][:, R])
    galaxies = (kind == GALAXY) & (r < limit)
    assert (near & sources.is_galaxy[ours])[galaxies].mean() >= least
    mine = sources.is_galaxy & (sources.magnitude < limit)
    called = np.where(back, kind[theirs], 0)[mine]
    assert (called == STAR).sum() == 0
    assert (called == GALAXY).mean() > 0.9
