import tracemalloc

import numpy as np

from pix2z.evaluation.arm_files import read_arm
from pix2z.evaluation.arm_galaxies import galaxy_terms, subset_masks
from pix2z.evaluation.arm_metrics import measure
from pix2z.evaluation.pdf_metrics import pdf_terms
from pix2z.redshift_pdf.density import quantiles
from pix2z.redshift_pdf.predictions import COLUMNS, columns_of, select
from pix2z.redshift_pdf.qp_files import pdf_writer
from tests.evaluation.conftest import WINDOW


def test_terms_of_chunks_are_those_of_the_whole(predictions):
    sample = predictions(50)
    parts = [
        select(sample, np.arange(50)[cut]) for cut in (slice(0, 1), slice(1, 30), slice(30, 50))
    ]
    terms = galaxy_terms(parts)
    assert len(terms) == 50
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(terms, name), getattr(sample, name))
    expected = pdf_terms(sample.density, sample.grid, sample.z_spec)
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(terms, name), values)
    limits = quantiles(sample.density, sample.grid, [0.16, 0.84])
    np.testing.assert_array_equal(np.stack([terms.err68_low, terms.err68_high], axis=1), limits)


def write_many(path, chunk, n):
    """Write n galaxies that repeat those of a chunk, with ids of their own."""
    with pdf_writer(path, chunk.grid, n=n, columns=COLUMNS) as writer:
        for start in range(0, n, len(chunk)):
            own = np.arange(start, start + len(chunk))
            columns = columns_of(chunk) | {"row": own, "object_id": own, "group_id": own}
            writer.append(chunk.density, columns)


def test_memory_holds_no_pdfs(predictions, tmp_path):
    """A test galaxy adds its columns and terms to the memory of an evaluation, never its PDF."""
    chunk = predictions(1024)

    def peak(n):
        folder = tmp_path / f"{n}"
        for name in ("pool", "seed-1"):
            write_many(folder / "full" / f"{name}.hdf5", chunk, n)
        tracemalloc.start()
        arm = read_arm("full", clip_window=WINDOW, predictions=folder, models=tmp_path)
        measure(arm.pool, n_bootstrap=2, seed=1)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1024)  # what is made at the first use
    small, large = peak(4096), peak(2 * 4096)
    assert (large - small) / 4096 < 400  # bytes per galaxy; its PDF in float32 has 720


def test_the_ends_of_the_window_are_inside():
    masks = subset_masks(np.array([0.0, 0.1, 0.2, 0.3]), (0.1, 0.2))
    np.testing.assert_array_equal(masks["inside"], [False, True, True, False])
    np.testing.assert_array_equal(masks["outside"], ~masks["inside"])
    assert masks["whole"].all()
