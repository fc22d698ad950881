"""What a version is measured on, and that little of it is held at once."""

import numpy as np
import pytest

from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import metric_values
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.tracking.promotion.held_out import held_out_of_arms, smoke_input
from pix2z.tracking.promotion.measure import measure
from pix2z.tracking.promotion.versions import find_version, read_versions
from pix2z.tracking.store import open_store


def test_the_numbers_are_those_of_evaluation(world, made):
    """What the gate measures is what predict and evaluate would find."""
    from pix2z.network.estimator import load_pool

    held_out = held_out_of_arms(world)
    store = open_store()
    version = find_version(read_versions(store.client), "full")
    found = metric_values(measure(store, version, held_out, smoke_input(held_out, 2)).terms)
    pool = load_pool(made / "models/full")
    with open_galaxies(made / "data/galaxies.h5") as galaxies:
        rows = held_out.rows
        estimate = pool.estimate(galaxies.images(rows), galaxies.column("ebv", rows))
        columns = {name: galaxies.column(name, rows) for name in ("object_id", "group_id", "mag_r")}
        z_spec = galaxies.column("specz_redshift", rows).astype(float)
        ebv = galaxies.column("ebv", rows)
    predictions = Predictions(
        grid=pool.grid,
        density=estimate.density,
        z_phot=estimate.z_phot,
        z_spec=z_spec,
        row=rows,
        ebv=ebv,
        **columns,
    )
    expected = metric_values(galaxy_terms([predictions]))
    assert found == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_the_smoke_input_is_spread_over_the_rows_and_lacks_what_images_may_lack(world):
    held_out = held_out_of_arms(world)
    smoke = smoke_input(held_out, 4)
    with open_galaxies(held_out.galaxies) as galaxies:
        expected = galaxies.images(held_out.rows[[0, 33, 66, 99]])
    np.testing.assert_array_equal(smoke.images[:4], expected)
    assert np.isnan(smoke.images[4:, ..., 0]).all()
    np.testing.assert_array_equal(smoke.images[4:, ..., 1:], expected[..., 1:])
    assert np.isnan(smoke.ebv[4:]).all()
    assert len(smoke_input(held_out, 1000).ebv) == 2 * len(held_out.rows)


def test_test_galaxies_are_estimated_in_batches(world, monkeypatch):
    """No more than a batch of images is read at once."""
    from pix2z.network import predictions

    monkeypatch.setattr(predictions, "BATCH", 32)
    read = []
    real = Galaxies.images

    def counted(self, rows, *arguments, **named):
        read.append(len(rows))
        return real(self, rows, *arguments, **named)

    monkeypatch.setattr(Galaxies, "images", counted)
    held_out = held_out_of_arms(world)
    store = open_store()
    version = find_version(read_versions(store.client), "full")
    smoke = smoke_input(held_out, 1)
    read.clear()
    measured = measure(store, version, held_out, smoke)
    assert read == [32, 32, 32, 4]
    held = {**vars(measured.terms), **vars(measured.terms.pdf), **measured.answers}
    arrays = [value for value in held.values() if isinstance(value, np.ndarray)]
    assert {array.shape for array in arrays} == {(100,), (2,)}
