"""An archive of small frames and spectra, and the function that fetches from it."""

import pytest

from pix2z.archive.download import RetryPolicy
from pix2z.archive.sdss.assembly import fetch_galaxies
from pix2z.archive.sdss.objects import read_objects
from tests.archive.archive import archive_serving
from tests.archive.synthetic_sdss import add_field, add_spectrum


@pytest.fixture
def archive():
    """Two fields; three galaxies, two of which share the first field."""
    with archive_serving() as served:
        add_field(served, 1000, 2, 30)
        add_field(served, 1000, 2, 31)
        add_spectrum(served, 300, 51000, 1, z=0.05)
        add_spectrum(served, 300, 51000, 2, z=0.10, ra=150.0 + 0.001)
        add_spectrum(served, 300, 51000, 3, z=0.15, field=(1000, 2, 31))
        yield served


@pytest.fixture
def listing(tmp_path):
    """Return a function that writes a list of objects and reads it."""

    def write(text="plate,mjd,fiberid\n300,51000,1\n300,51000,2\n300,51000,3\n"):
        path = tmp_path / "objects.csv"
        path.write_text(text)
        return read_objects(path)

    return write


@pytest.fixture
def fetch(archive, listing, tmp_path):
    """Fetch a list into sdss.h5, without waiting between attempts."""

    def run(text=None, *, attempts=2, read_timeout=30.0, **options):
        policy = RetryPolicy(attempts=attempts, first_wait=0.0, read_timeout=read_timeout)
        return fetch_galaxies(
            listing(text) if text else listing(),
            tmp_path / "sdss.h5",
            cache=tmp_path / "files",
            **{"base_url": archive.url, "policy": policy} | options,
        )

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "sdss.h5"
