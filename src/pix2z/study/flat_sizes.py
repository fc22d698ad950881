"""The same sky with sizes that do not know the redshift.

In the rendered sky a galaxy's size follows from its luminosity; a size on the stamp therefore says
something of redshift, as much as the assumed relation of size and luminosity lets it. Rendered with
apparent sizes that are drawn independent of redshift, the same galaxies show how much of an arm's
gain rests on that relation.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.sky import Conditions
from pix2z.dataset.splits import Split, make_splits
from pix2z.dataset.store import open_galaxies
from pix2z.evaluation.bootstrap import Resamples
from pix2z.files import source_digest, text_digest
from pix2z.ingest.galaxies import ingest
from pix2z.sky.semireal import write_semireal
from pix2z.study.intervals import seeds_interval

__all__ = ["gains_on_two_skies", "render_flat_sizes", "split_of"]

Array = NDArray[np.float64]
Json = dict[str, Any]


def render_flat_sizes(
    folder: Path, *, sky: Json, split: Json, rows: Json, pdf_range: tuple[float, float]
) -> Path:
    """Render and ingest the sky with `size_depends_on_redshift` false; return its galaxies.h5.

    It lies in `folder` under a digest of settings and code, and is made once.

    Parameters
    ----------
    sky, split : sections of params.yaml.
    rows : which rows `ingest` takes, see there: ``z_min``, ``z_max``, ``duplicate_radius_arcsec``.
    pdf_range : lowest and highest redshift of the PDFs.
    """
    settings = {**sky, "size_depends_on_redshift": False}
    code = source_digest("sky", "ingest", "dataset", "imaging")
    key = text_digest(repr((settings, split, rows, pdf_range)), code)
    path, raw = folder / key / "galaxies.h5", folder / key / "semireal.h5"
    if not path.exists():
        write_semireal(
            raw,
            **settings | {"conditions": Conditions(**sky["conditions"])},
            split_seed=split["seed"],
            fractions=split["fractions"],
        )
        ingest(raw, path, layout="sdss32", pdf_range=pdf_range, **rows)
        raw.unlink()
    return path


def split_of(path: Path, *, split: Json) -> tuple[Split, NDArray[np.int64]]:
    """Split galaxies.h5 as params.yaml says: the `full` one, and the test rows' object ids."""
    with open_galaxies(path) as galaxies:
        object_id = galaxies.column("object_id")
        full = make_splits(
            group_id=galaxies.column("group_id"),
            object_id=object_id,
            z_spec=galaxies.column("specz_redshift"),
            moved=galaxies.column("moved"),
            **split,
        )["full"]
    return full, object_id[full.test]


def gains_on_two_skies(
    skies: Mapping[str, tuple[Mapping[str, Array], NDArray[np.int64]]],
    *,
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Measure what `full` gains over other arms where sizes know the redshift and where not.

    Parameters
    ----------
    skies : sky -> (arm -> CRPS (k, n) of k trainings; object ids (n,)). Galaxies that one sky lacks
        are left out, so that the difference of the gains is paired.
    """
    common = sorted(set.intersection(*(set(ids.tolist()) for _, ids in skies.values())))
    chosen = {
        sky: {arm: crps[:, _places(ids, common)] for arm, crps in arms.items()}
        for sky, (arms, ids) in skies.items()
    }
    # Test galaxies are one stamp per group.
    resamples = Resamples(np.arange(len(common)), n_bootstrap, seed)
    (_, one), (_, other) = chosen.items()
    answer: Json = {"n": len(common), "n_seeds": len(one["full"])}
    for sky, arms in chosen.items():
        answer[sky] = {
            "crps": {arm: seeds_interval(crps, resamples) for arm, crps in arms.items()},
            "gain": {
                arm: seeds_interval(crps - arms["full"], resamples)
                for arm, crps in arms.items()
                if arm != "full"
            },
        }
    answer["rise"] = {arm: seeds_interval(other[arm] - one[arm], resamples) for arm in one}
    answer["difference_of_gains"] = {
        arm: seeds_interval(one[arm] - one["full"] - other[arm] + other["full"], resamples)
        for arm in one
        if arm != "full"
    }
    return answer


def _places(ids: NDArray[np.int64], wanted: Sequence[int]) -> NDArray[np.int64]:
    order = np.argsort(ids)
    return order[np.searchsorted(ids, wanted, sorter=order)]
