"""PDFs in 32 bytes: what they lose, how others read them, and galaxies that have none."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import qp

from pix2z.catalogue.compact_pdfs import (
    COLUMN,
    LEVELS,
    NO_PDF,
    STEPS_PER_BIN,
    QuantilePdfs,
    as_quantiles,
    read_quantiles,
)
from pix2z.catalogue.tables import table_and_pdfs
from pix2z.errors import InputError
from pix2z.evaluation.pdf_metrics import crps_values
from pix2z.redshift_pdf.density import cdf_edges, normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Redshifts

GRID = RedshiftGrid(0.0, 0.4, 180)
LARGEST_GAP = np.diff(LEVELS).max()


def normal(z, sigma):
    return np.exp(-((GRID.centres - z) ** 2) / (2 * sigma**2)) / sigma + 1e-12


def some(kind, rng):
    """PDFs of a kind, (N, 180)."""
    drawn = zip(rng.uniform(0.02, 0.38, 60), rng.uniform(0.004, 0.06, 60), strict=True)
    return {
        "one peak": [normal(z, sigma) for z, sigma in drawn],
        "all in one bin": [np.eye(GRID.n_bins)[row] for row in (0, 1, 77, 178, 179)],
        "at an end": [normal(-0.01, 0.01), normal(0.0, 0.003), normal(0.41, 0.01), GRID.centres],
        "two peaks": [
            share * normal(0.1, 0.01) + (1 - share) * normal(0.3, 0.02)
            for share in (0.02, 0.05, 0.3, 0.5, 0.9, 0.97)
        ],
        "noise": list(rng.gamma(0.3, size=(40, GRID.n_bins)) + 1e-9),
    }[kind]


def compact(density):
    rows = as_quantiles(density, GRID)
    return QuantilePdfs(np.arange(len(rows)), rows["locs"], LEVELS, GRID)


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ("one peak", 0.015),
        ("all in one bin", 2 / STEPS_PER_BIN),  # quantiles are kept a step apart
        ("at an end", 0.015),
        ("two peaks", LARGEST_GAP),  # between two quantiles nothing is known
        ("noise", LARGEST_GAP),
    ],
)
def test_the_cdf_is_kept_to_what_is_said_of_it(kind, most):
    density = normalise(some(kind, np.random.default_rng(8)), GRID)
    pdfs = compact(density)
    fine = np.linspace(GRID.z_min, GRID.z_max, 8 * GRID.n_bins + 1)
    whole = np.stack([np.interp(fine, GRID.edges, edges) for edges in cdf_edges(density, GRID)])
    assert np.abs(pdfs.cdf(fine) - whole).max() < most
    assert (np.diff(pdfs.z) > 0).all()
    np.testing.assert_allclose(pdfs.density().sum(axis=1) * GRID.width, 1.0)
    if kind == "one peak":
        z = np.random.default_rng(9).uniform(0, 0.4, len(density))
        short, long = (crps_values(one, GRID, z).mean() for one in (pdfs.density(), density))
        assert abs(short / long - 1) < 0.01


def write(path, density, metadata=None):
    """Write compact PDFs beside a table, in blocks of 1,000; return the path."""
    writing = table_and_pdfs(
        path.with_suffix(".csv"), path, grid=GRID, n_pdfs=len(density), metadata=metadata or {}
    )
    flags = np.where(np.isnan(density[:, 0]), 8, 0)
    with writing as (append, append_pdfs):
        for rows in np.split(np.arange(len(density)), range(1000, len(density), 1000)):
            estimate = Redshifts(GRID, density[rows], flags[rows])
            append(estimate.columns(rows))
            append_pdfs(estimate, 2**62 + rows)
    return path


@pytest.fixture(scope="module")
def density():
    rng = np.random.default_rng(5)
    z, sigma = rng.uniform(0.02, 0.3, 8000), rng.gamma(20, 0.013 / 20, 8000)
    density = normalise(np.stack([normal(*one) for one in zip(z, sigma, strict=True)]), GRID)
    density[[3, 5000]] = np.nan
    return density


@pytest.fixture(scope="module")
def path(tmp_path_factory, density):
    return write(tmp_path_factory.mktemp("compact") / "z.parquet", density, {"pix2z.arm": "full"})


def test_a_galaxy_takes_at_most_32_bytes_beside_its_id(path, density):
    group = pq.ParquetFile(path).metadata.row_group(0)
    sizes = [group.column(place).total_compressed_size for place in range(group.num_columns)]
    assert group.column(1).path_in_schema.startswith(COLUMN)
    assert sum(sizes[1:]) / len(density) <= 32


def test_pdfs_are_read_back_and_galaxies_without_one_have_none(path, density):
    pdfs = read_quantiles(path)
    np.testing.assert_array_equal(pdfs.object_id, 2**62 + np.arange(len(density)))
    blank = np.isnan(density[:, 0])
    np.testing.assert_array_equal(np.isnan(pdfs.z).all(axis=1), blank)
    np.testing.assert_array_equal(np.isnan(pdfs.density()).all(axis=1), blank)
    np.testing.assert_array_equal(pdfs.z[~blank], compact(density[~blank]).z)
    assert pdfs.grid == GRID


def test_the_reader_of_lsdbs_tutorial_turns_the_column_into_qp_without_loss(path, density):
    """It takes `locs` of all rows and `quants` of the last, where the name ends in _20."""
    assert COLUMN.rsplit("_", 1)[1] == str(len(LEVELS)) == "20"
    rows = pq.read_table(path)[COLUMN].to_pylist()[:50]
    read = qp.Ensemble(
        qp.quant_gen,
        data={
            "locs": np.asarray([row["locs"] for row in rows]),
            "quants": np.asarray(rows[-1]["quants"]),
        },
    )
    known = ~np.isnan(density[:50, 0])
    np.testing.assert_array_equal(read.dist.locs[known, 1:-1], compact(density[:50][known]).z)
    np.testing.assert_array_equal(read.dist.quants[1:-1], LEVELS)
    np.testing.assert_array_equal(read.dist.locs[~known, 1:-1], NO_PDF[None])
    exact = np.stack(
        [np.interp(GRID.edges, GRID.edges, row) for row in cdf_edges(density[:50][known], GRID)]
    )
    np.testing.assert_allclose(read.cdf(GRID.edges)[known], exact, atol=0.02)


def test_a_file_says_what_its_numbers_are(path):
    schema = pq.read_schema(path)
    told = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert told["pix2z.arm"] == "full"
    np.testing.assert_array_equal(json.loads(told["pix2z.quantile_levels"]), LEVELS)
    assert json.loads(told["pix2z.quantile_grid"]) == {"z_min": 0.0, "z_max": 0.4, "n_bins": 180}
    assert json.loads(told["pix2z.quantile_step"]) == 2.0**-14
    assert json.loads(told["pix2z.quantiles_without_pdf"]) == NO_PDF.tolist()
    assert b"-99 to -80 where there is no PDF" in schema.field(COLUMN).metadata[b"description"]


def test_a_file_of_no_galaxies_is_read_as_one(tmp_path):
    pdfs = read_quantiles(write(tmp_path / "none.parquet", np.zeros((0, GRID.n_bins))))
    assert len(pdfs) == 0
    assert pdfs.z.shape == (0, len(LEVELS))


def test_another_file_is_refused_in_one_line(tmp_path):
    pq.write_table(pa.table({"object_id": [1]}), tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("text")
    for name in ("other", "text", "missing"):
        with pytest.raises(InputError, match=f"{name}.parquet: no file of compact PDFs") as caught:
            read_quantiles(tmp_path / f"{name}.parquet")
        assert "\n" not in str(caught.value)
