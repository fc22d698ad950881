"""Rows that show a galaxy already seen in another group: they would leak between parts."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["close_positions", "repeated_between_groups", "repeated_ids"]


def repeated_ids(object_id: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) True for every row whose id an earlier row has."""
    repeated = np.ones(len(object_id), np.bool_)
    repeated[np.unique(object_id, return_index=True)[1]] = False
    return repeated


def repeated_between_groups(
    value: NDArray[np.uint64], group_id: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(N,) True for rows whose value was first seen in another group."""
    _, first, inverse = np.unique(value, return_index=True, return_inverse=True)
    different: NDArray[np.bool_] = group_id != group_id[first][inverse]
    return different


def close_positions(
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    group_id: NDArray[np.int64],
    *,
    radius_arcsec: float,
) -> NDArray[np.bool_]:
    """(N,) True for rows within a radius of a kept, earlier row of another group.

    Parameters
    ----------
    ra, dec : (N,) degrees, finite.
    """
    # Stamps of one parent share its position: each place of a group is looked up once.
    group = np.unique(group_id, return_inverse=True)[1]
    places = np.stack([group.astype(np.float64), ra, dec], axis=1)
    _, first, place = np.unique(places, axis=0, return_index=True, return_inverse=True)
    chord = 2 * np.sin(np.deg2rad(radius_arcsec / 3600) / 2)
    pairs = cKDTree(_unit_vectors(ra[first], dec[first])).query_pairs(chord, output_type="ndarray")
    between = pairs[group[first[pairs[:, 0]]] != group[first[pairs[:, 1]]]]
    dropped = np.zeros(len(first), np.bool_)
    earlier_first = np.take_along_axis(between, np.argsort(first[between], axis=1), axis=1)
    for earlier, later in earlier_first[np.argsort(first[earlier_first[:, 1]])].tolist():
        dropped[later] |= not dropped[earlier]
    repeated: NDArray[np.bool_] = dropped[place]
    return repeated


def _unit_vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions as unit vectors, (N, 3)."""
    alpha, delta = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack(
        [np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=1
    )
