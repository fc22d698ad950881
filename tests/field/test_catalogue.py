"""The table of a field, its PDFs, picture and regions."""

import re

import numpy as np
import pyarrow.parquet as pq
import pytest
import qp

from pix2z.catalogue.compact_pdfs import read_quantiles
from pix2z.field.catalogue import SOURCE_COLUMNS, estimate_galaxies, write_field
from pix2z.field.pictures import LABEL, _label_places, plot_field, write_regions
from pix2z.redshift_pdf.redshifts import ATTRIBUTES
from tests.catalogue.conftest import PixelReader
from tests.field.planted import SATURATED


class Reader(PixelReader):
    """Keeps the stamps that it reads."""

    def estimate(self, images, ebv=None):
        self.images = np.array(images)
        return super().estimate(images, ebv)


@pytest.fixture(scope="module")
def judged(sources):
    return sources.judged(17.8, None)


@pytest.fixture(scope="module")
def reader():
    return Reader()


@pytest.fixture(scope="module")
def estimated(reader, frames, judged):
    return estimate_galaxies(reader, frames, judged, listed=False, ebv=0.03)


@pytest.fixture
def rows(estimated):
    return estimated[0]


@pytest.fixture
def estimate(estimated):
    return estimated[1]


def test_only_galaxies_above_the_limit_are_estimated(frames, judged, rows):
    wanted = judged.is_galaxy & (judged.magnitude < 17.8)
    np.testing.assert_array_equal(rows, np.flatnonzero(wanted))
    assert 5 < len(rows) < judged.is_galaxy.sum()
    all_of_them, _ = estimate_galaxies(PixelReader(), frames, judged, listed=True, ebv=None)
    assert len(all_of_them) == len(judged)


def test_a_galaxy_is_centred_in_every_band_though_bands_are_shifted(reader, estimate):
    assert np.isfinite(reader.images).all()
    axis = np.arange(32) - 15.5
    window = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 3.0**2))
    weight = reader.images * window[..., None]
    total = weight.sum(axis=(1, 2))
    along = [
        (weight * axis[shape]).sum(axis=(1, 2)) / total
        for shape in (np.s_[:, None, None], np.s_[None, :, None])
    ]
    assert np.abs(along)[..., 1:4].max() < 0.35
    assert reader.seen_ebv[-1] == pytest.approx(0.03)


def test_the_table_has_a_row_per_source_and_redshifts_of_some(tmp_path, judged, rows, estimate):
    out, pdf = tmp_path / "field.parquet", tmp_path / "field.hdf5"
    overview = write_field(judged, rows, estimate, out=out, pdf=pdf, metadata={"a": "b"})
    assert f"{len(rows)} redshifts with a typical error" in str(overview)
    schema = pq.read_schema(out)
    assert schema.metadata[b"a"] == b"b"
    assert schema.names == [*SOURCE_COLUMNS, *ATTRIBUTES]
    assert all(schema.field(name).metadata[b"description"] for name in schema.names)
    table = pq.read_table(out).to_pandas()
    assert len(table) == len(judged)
    np.testing.assert_array_equal(np.flatnonzero(table["pix2z_z_median"].notna()), rows)
    np.testing.assert_allclose(table["pix2z_z_median"][rows], estimate.z_median, rtol=1e-6)
    assert (table["pix2z_flags"].drop(index=rows) == 0).all()
    np.testing.assert_allclose(table["mag_r"], judged.magnitude, rtol=1e-6)
    np.testing.assert_array_equal(table["is_galaxy"], judged.is_galaxy)
    ensemble = qp.read(str(pdf))
    np.testing.assert_array_equal(ensemble.ancil["object_id"], table["object_id"][rows])
    compact = tmp_path / "compact.parquet"
    write_field(judged, rows, estimate, out=out, pdf=compact, metadata={})
    np.testing.assert_array_equal(read_quantiles(compact).object_id, table["object_id"][rows])


def test_regions_are_circles_of_sources_and_the_picture_is_drawn(
    tmp_path, frames, judged, rows, estimate
):
    write_regions(tmp_path / "field.reg", judged, rows, estimate)
    first, system, *lines = (tmp_path / "field.reg").read_text().splitlines()
    assert (first, system) == ("# Region file format: DS9", "icrs")
    circle = re.compile(r'circle\(([\d.]+),([\d.]+),([\d.]+)"\) # color=(\w+)( text=\{.*\})?')
    read = [circle.fullmatch(line) for line in lines]
    assert len(read) == len(judged)
    np.testing.assert_allclose([float(one[1]) for one in read], judged.ra, atol=1e-6)
    colours = np.array([one[4] for one in read])
    np.testing.assert_array_equal(np.flatnonzero(colours == "orange"), rows)
    assert all(("text" in str(one[0])) == (one[4] == "orange") for one in read)
    (red,) = np.flatnonzero(colours == "red")
    assert np.hypot(judged.x[red] - SATURATED[0], judged.y[red] - SATURATED[1]) < 1.5
    plot_field(tmp_path / "field.png", frames, judged, rows, estimate)
    assert (tmp_path / "field.png").read_bytes().startswith(b"\x89PNG")


def test_redshifts_in_the_picture_lie_inside_and_not_on_each_other():
    x, y = _label_places(np.array([2.0, 30.0, 90.0, 1000.0]), np.full(4, 50.0), 1010)
    assert ((x >= LABEL[0] / 2) & (x <= 1010 - LABEL[0] / 2)).all()
    assert np.diff(np.sort(y[:3])).min() >= LABEL[1]
    assert y[3] == y[0]
