"""An archive of small frames and spectra, and the function that fetches from it."""

import pytest
from urllib3 import Retry

from pix2z.archive.sdss_galaxies import fetch_galaxies
from pix2z.archive.sdss_list import read_objects
from tests.archive.server import archive_serving
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
def fetch(archive, tmp_path):
    """Fetch a list into sdss.h5, without waiting between attempts."""

    def run(
        text="plate,mjd,fiberid\n300,51000,1\n300,51000,2\n300,51000,3\n",
        *,
        attempts=2,
        **options,
    ):
        (tmp_path / "objects.csv").write_text(text)
        return fetch_galaxies(
            read_objects(tmp_path / "objects.csv"),
            tmp_path / "sdss.h5",
            cache=tmp_path / "files",
            patience=Retry(total=attempts - 1),
            **{"base_url": archive.url} | options,
        )

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "sdss.h5"
