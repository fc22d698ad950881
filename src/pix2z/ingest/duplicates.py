"""Rows that show a galaxy already seen in another group: they would leak between parts."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["close_positions", "near_another", "repeated_between_groups", "repeated_ids"]

MOST_PAIRS_PER_PLACE = 5
"""Pairs of places within the radius, per place, beyond which positions cannot be a catalogue's."""


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

    Memory and time grow with the number of rows, also where very many share one position.

    Parameters
    ----------
    ra, dec : (N,) degrees, finite.

    Raises
    ------
    ValueError
        Different positions crowd within the radius as those of no catalogue do.
    """
    # a place for each pair of numbers, by which complex numbers are sorted
    _, first_row, place = np.unique(ra + 1j * dec, return_index=True, return_inverse=True)
    group = np.unique(group_id, return_inverse=True)[1]
    ends, neighbours = _neighbours(ra[first_row], dec[first_row], radius_arcsec=radius_arcsec)

    # Rows that share no place and have no neighbour are kept: only the others are walked through,
    # in their order. Of one place all kept rows are of one group, or the later would be dropped.
    alone = (np.bincount(place, minlength=len(first_row)) == 1) & (np.diff(ends) == 0)
    rows = np.flatnonzero(~alone[place])
    kept_group: dict[int, int] = {}
    dropped = np.zeros(len(ra), np.bool_)
    walk = zip(rows.tolist(), place[rows].tolist(), group[rows].tolist(), strict=True)
    for row, here, mine in walk:
        around = neighbours[ends[here] : ends[here + 1]].tolist()
        if any(kept_group.get(near, mine) != mine for near in (here, *around)):
            dropped[row] = True
        else:
            kept_group[here] = mine
    return dropped


def near_another(
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    other_ra: NDArray[np.float64],
    other_dec: NDArray[np.float64],
    *,
    radius_arcsec: float,
) -> NDArray[np.bool_]:
    """(N,) True for positions within a radius of one of another list.

    Parameters
    ----------
    ra, dec : (N,) degrees, finite; other_ra, other_dec : (M,) likewise.
    """
    tree = cKDTree(_unit_vectors(other_ra, other_dec))
    distance, _ = tree.query(_unit_vectors(ra, dec))
    return np.asarray(distance <= _chord(radius_arcsec))


def _neighbours(
    ra: NDArray[np.float64], dec: NDArray[np.float64], *, radius_arcsec: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places within the radius of each of P places: those of p are neighbours[ends[p]:ends[p + 1]].

    Returns
    -------
    ends : (P + 1,); neighbours : places, each pair in both directions.
    """
    chord = _chord(radius_arcsec)
    tree = cKDTree(_unit_vectors(ra, dec))
    n_pairs = (int(tree.count_neighbors(tree, chord)) - len(ra)) // 2
    if n_pairs > MOST_PAIRS_PER_PLACE * len(ra):
        raise ValueError(
            f"ra, dec: {n_pairs} pairs of {len(ra)} different positions lie within "
            f"{radius_arcsec:g} arcsec; expected degrees of galaxies over the sky"
        )
    pairs = tree.query_pairs(chord, output_type="ndarray")
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    order = np.argsort(one, kind="stable")
    ends = np.searchsorted(one[order], np.arange(len(ra) + 1))
    return ends, other[order]


def _chord(radius_arcsec: float) -> float:
    """Distance of unit vectors that far apart on the sky."""
    return float(2 * np.sin(np.deg2rad(radius_arcsec / 3600) / 2))


def _unit_vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions as unit vectors, (N, 3)."""
    alpha, delta = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack(
        [np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=1
    )
