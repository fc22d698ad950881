"""Prediction of many rows with a pool of made-up members: what is written, and what is held."""

import shutil
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

from pix2z.dataset.splits import Split
from pix2z.errors import InputError, IntegrityError
from pix2z.network.estimator import Estimator
from pix2z.network.predictions import predict_batches, write_pool_predictions
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.density import normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import COLUMNS, part_file
from tests.prediction_files import read_predictions

GRID = RedshiftGrid(0.0, 0.4, 180)


@dataclass(frozen=True)
class PlainMember:
    """Says that the redshift is the image's mean pixel, give or take 0.02."""

    record: dict
    calibration: Temperature
    grid: RedshiftGrid = GRID

    def raw(self, images, ebv):
        centre = images.mean(axis=(1, 2, 3), dtype=np.float64)[:, None] + 0.001 * ebv[:, None]
        return normalise(np.exp(-0.5 * ((GRID.centres - centre) / 0.02) ** 2) + 1e-9, GRID)


class ManyGalaxies:
    """Stands for an open galaxies.h5 of any size: every value is a function of the row."""

    def column(self, name, rows):
        value = 0.01 if name == "ebv" else 0.1
        return np.asarray(rows) if name.endswith("_id") else np.full(len(rows), value, np.float32)

    def images(self, rows):
        redshift = 0.05 + 0.3 * (np.asarray(rows) % 97) / 97
        return np.broadcast_to(
            redshift.astype(np.float32)[:, None, None, None], (len(rows), 32, 32, 5)
        )


@pytest.fixture
def pool():
    members = [PlainMember({"seed": k}, Temperature(0.8 + 0.1 * k)) for k in (3, 5)]
    return Estimator(tuple(members), Temperature(1.1), "digest")


def split_of(test) -> Split:
    others = {"train": test, "validation": np.arange(5), "calibration": np.arange(5, 9)}
    return Split(
        selection="full",
        **others,
        test=test,
        clip_window=(0.0, 0.3),
        test_digest="digest of test ids",
    )


def test_files_hold_what_the_batches_say(pool, tmp_path):
    rows = np.arange(0, 5000, 2)
    write_pool_predictions(tmp_path, pool, ManyGalaxies(), split_of(rows))
    batches = list(predict_batches(pool, ManyGalaxies(), rows))
    assert [len(batch["pool"]) for batch in batches] == [1024, 1024, 452]
    for name in ("seed-3", "seed-5", "pool"):
        written = read_predictions(tmp_path / f"{name}.hdf5")
        density = np.concatenate([batch[name].density for batch in batches])
        np.testing.assert_allclose(written.density, density, rtol=3e-7)
        for column in COLUMNS:
            values = np.concatenate([getattr(batch[name], column) for batch in batches])
            np.testing.assert_array_equal(getattr(written, column), values)
    np.testing.assert_array_equal(written.row, rows)


def test_every_part_is_tied_to_the_pool_and_the_test_set(pool, tmp_path):
    split = split_of(np.arange(20, 40))
    write_pool_predictions(tmp_path, pool, ManyGalaxies(), split)
    digests = {"pool_digest": "digest", "test_digest": "digest of test ids"}
    for part in ("validation", "calibration", "test"):
        found = read_predictions(part_file(tmp_path, part, **digests))
        np.testing.assert_array_equal(found.row, getattr(split, part))
        (expected,) = predict_batches(pool, ManyGalaxies(), getattr(split, part))
        np.testing.assert_allclose(found.density, expected["pool"].density, rtol=3e-7)
    for name in digests:
        with pytest.raises(IntegrityError, match=f"expected {name} other"):
            part_file(tmp_path, "test", **{**digests, name: "other"})
    shutil.copy(tmp_path / "seed-5.hdf5", tmp_path / "pool.hdf5")
    with pytest.raises(IntegrityError, match=r"pool\.hdf5: does not match"):
        part_file(tmp_path, "test", **digests)
    (tmp_path / "predictions.json").write_text("{}")
    with pytest.raises(InputError, match="has no entry"):
        part_file(tmp_path, "test", **digests)


def test_an_interrupted_prediction_leaves_nothing_new(pool, tmp_path):
    (tmp_path / "pool.hdf5").write_bytes(b"of before")

    class Unreadable(ManyGalaxies):
        def images(self, rows):
            if rows[0] > 0:
                raise OSError("the disk is gone")
            return super().images(rows)

    with pytest.raises(OSError, match="the disk is gone"):
        write_pool_predictions(tmp_path, pool, Unreadable(), split_of(np.arange(3000)))
    assert [path.name for path in tmp_path.iterdir()] == ["pool.hdf5"]
    assert (tmp_path / "pool.hdf5").read_bytes() == b"of before"


def test_memory_does_not_grow_with_the_number_of_galaxies(pool, tmp_path):
    def peak(n):
        tracemalloc.start()
        write_pool_predictions(tmp_path / str(n), pool, ManyGalaxies(), split_of(np.arange(n)))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1024)  # what is made at the first use
    small, large = peak(2048), peak(8192)
    assert (large - small) / (8192 - 2048) < 100  # bytes per galaxy; one PDF in float64 has 1440
