import tracemalloc

import numpy as np
import pytest

from pix2z.dataset.batches import (
    N_SYMMETRIES,
    epoch_order,
    training_batches,
    transform,
)
from pix2z.dataset.store import open_galaxies

ROWS = np.r_[0:20, 25:50]


def stamps(galaxies):
    return lambda rows: {"images": galaxies.images(rows)}


def epoch_of(path, *, epoch=0, seed=1, batch_size=8, augment=True, buffer_rows=20):
    with open_galaxies(path) as galaxies:
        return [
            (arrays["images"], rows)
            for arrays, rows in training_batches(
                stamps(galaxies),
                ROWS,
                batch_size=batch_size,
                seed=seed,
                epoch=epoch,
                augment=augment,
                buffer_rows=buffer_rows,
            )
        ]


def rows_of(batches):
    return np.concatenate([rows for _, rows in batches])


@pytest.mark.parametrize(("batch_size", "buffer_rows"), [(7, 1), (7, 20), (100, 16384)])
def test_every_row_once_and_only_the_last_batch_short(galaxies_path, batch_size, buffer_rows):
    batches = epoch_of(galaxies_path, batch_size=batch_size, buffer_rows=buffer_rows)
    np.testing.assert_array_equal(np.sort(rows_of(batches)), ROWS)
    sizes = [len(rows) for _, rows in batches]
    assert all(size == batch_size for size in sizes[:-1])
    assert 0 < sizes[-1] <= batch_size
    assert all(len(images) == len(rows) for images, rows in batches)


def test_an_epoch_is_a_function_of_seed_and_epoch(galaxies_path):
    one, same = epoch_of(galaxies_path, epoch=3), epoch_of(galaxies_path, epoch=3)
    for (images, rows), (images_again, rows_again) in zip(one, same, strict=True):
        np.testing.assert_array_equal(rows, rows_again)
        np.testing.assert_array_equal(images, images_again)
    assert (rows_of(one) != rows_of(epoch_of(galaxies_path, epoch=4))).any()
    assert (rows_of(one) != rows_of(epoch_of(galaxies_path, epoch=3, seed=2))).any()


def test_augmented_images_are_those_of_their_rows_up_to_all_eight_symmetries(galaxies_path):
    used = []
    with open_galaxies(galaxies_path) as galaxies:
        for epoch in range(2):
            for images, rows in epoch_of(galaxies_path, epoch=epoch):
                for image, stored in zip(images, galaxies.images(rows), strict=True):
                    (match,) = [
                        symmetry
                        for symmetry in range(N_SYMMETRIES)
                        if np.array_equal(transform(stored[None], symmetry)[0], image)
                    ]
                    used.append(match)
    counts = np.bincount(used, minlength=N_SYMMETRIES)
    assert (counts > 0).all()


def test_memory_is_that_of_the_buffer_not_of_the_file(sample):
    rows = np.arange(len(sample))  # 16 MB
    tracemalloc.start()
    for _ in training_batches(
        stamps(sample), rows, batch_size=16, seed=1, epoch=0, augment=True, buffer_rows=64
    ):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_epoch_order_mixes_far_rows():
    order = epoch_order(np.arange(6400), window=640, rng=np.random.default_rng(0))
    first = order[:640]
    assert np.ptp(first) > 3000
    correlation = np.corrcoef(order, np.arange(6400))[0, 1]
    assert abs(correlation) < 0.35


def test_symmetries_are_eight_and_keep_each_band_and_the_centre():
    stamp = np.random.default_rng(0).normal(size=(1, 32, 32, 5)).astype(np.float32)
    stamp[0, 15:17, 15:17] = 7.0
    turned = [transform(stamp, symmetry) for symmetry in range(N_SYMMETRIES)]
    assert len({image.tobytes() for image in turned}) == 8
    for image in turned:
        assert (image[0, 15:17, 15:17] == 7.0).all()
        np.testing.assert_array_equal(
            np.sort(image.reshape(-1, 5), axis=0), np.sort(stamp.reshape(-1, 5), axis=0)
        )
