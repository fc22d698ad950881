"""What a network sees that is to be asked with any subset of the bands."""

import numpy as np

from pix2z.network.recipes import augmented_batches, stamps_of


def masked_bands(sample, **dropout: float) -> np.ndarray:
    batches = augmented_batches(
        stamps_of(sample),
        np.arange(len(sample)),
        lambda rows: rows,
        augment=True,
        **dropout,
        batch_size=64,
        seed=5,
    )
    images = np.concatenate([inputs["images"] for inputs, _ in batches(0)])
    return np.isnan(images).all(axis=(1, 2))


def test_each_subset_is_shown_in_half_of_the_stamps(sample):
    masked = masked_bands(sample, band_dropout=0.0, subset_dropout=0.5)
    np.testing.assert_allclose(masked.mean(axis=0), 0.25, atol=0.05)
    whole = (~masked).all(axis=1).mean()
    assert abs(whole - (0.5 + 0.5 / 32)) < 0.05
    subsets = np.unique(masked @ 2 ** np.arange(5), return_counts=True)[1]
    assert len(subsets) == 32


def test_without_it_nothing_changes(sample, hybrid):
    # the setting is younger than saved models, whose settings do not name it
    assert hybrid.subset_dropout == 0.0
    assert masked_bands(sample, band_dropout=0.1).sum(axis=1).max() == 1
