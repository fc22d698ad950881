"""From a finished run to reports/study.json, its figures and reports/study.md.

What each question has found is written as soon as it is there, so that a study that was stopped
leaves what it had.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import PublishedCnnConfig, SoftmaxConfig
from pix2z.config.study import StudyConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.evaluation.bootstrap import Resamples
from pix2z.evaluation.report import laid_out, markdown_templates, narrow_tables, spread
from pix2z.files import atomic_path, file_digest, write_json
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.study import figures
from pix2z.study.attenuation import test_cells
from pix2z.study.bands import band_importance
from pix2z.study.flat_sizes import gains_on_two_skies
from pix2z.study.from_predictions import answers_of_predictions, read_estimators
from pix2z.study.learning_curve import learning_curves, subset_of_groups
from pix2z.study.trainings import Training, read_scores, run_trainings
from pix2z.study.words import answers_in_words, ranged, would_meet

__all__ = ["Study", "write_study"]

Json = dict[str, Any]
Settings = SoftmaxConfig | PublishedCnnConfig

_digest = cache(file_digest)

SKIES = ("sizes_know_redshift", "sizes_do_not")


@dataclass(frozen=True)
class Study:
    """What a study of a finished run needs.

    Attributes
    ----------
    galaxies, full : the run's galaxies and its split of all of them.
    grid : the redshift bins of its PDFs.
    arms : arm -> settings of its networks: ``full`` and ``apertures``, and where the run has them
        ``catalogue`` and ``published_full``.
    other_sky : galaxies.h5 with sizes that do not know the redshift, its split and the object ids
        of its test rows; None where there is no such sky, as for real images.
    """

    config: StudyConfig
    galaxies: Galaxies
    full: Split
    grid: RedshiftGrid
    arms: Mapping[str, Settings]
    other_sky: tuple[Path, Split, NDArray[np.int64]] | None

    def training(self, arm: str, seed: int, **changes: Any) -> Training:
        """Return the training of one network of an arm."""
        values: Json = {
            "name": arm,
            "galaxies": self.galaxies.path.absolute(),
            "galaxies_sha256": _digest(self.galaxies.path),
            "split": self.full,
            "settings": self.arms[arm],
            "grid": self.grid,
            "seed": seed,
        }
        return Training(**(values | changes))

    def seeds(self, arm: str) -> tuple[int, ...]:
        """Return the seeds that an arm is trained with here."""
        published = isinstance(self.arms[arm], PublishedCnnConfig)
        return self.config.published_seeds if published else self.config.seeds


def write_study(
    study: Study,
    folder: Path,
    *,
    run: Path,
    scores: Path,
    n_bootstrap: int,
    seed: int,
    processes: int | None,
) -> None:
    """Answer every question, and write study.json, study/*.png and study.md into a folder.

    Parameters
    ----------
    run : folder of the finished run.
    scores : folder of finished trainings of this study and of former ones.
    n_bootstrap, seed : of the resamples behind every interval.
    processes : networks trained side by side.
    """
    estimators = read_estimators(run, study.full.test)
    full = estimators["full"]
    resamples = Resamples(full.group_id, n_bootstrap, seed)
    cells, n_colours = test_cells(
        study.galaxies, study.full, n_cells=study.config.n_colour_cells, seed=study.config.seed
    )
    answers: Json = {"n_test": len(full), "n_bootstrap": n_bootstrap, "n_colours": n_colours}
    answers |= answers_of_predictions(
        estimators,
        cells=cells,
        n_tomographic_bins=study.config.n_tomographic_bins,
        resamples=resamples,
    )
    _write(folder, answers, study.grid)

    train = partial(run_trainings, folder=scores, processes=processes)

    def of(several: list[Training]) -> NDArray[np.float64]:
        return np.stack([read_scores(scores, training) for training in several])

    curves = _curves(study)
    train(_flat(curves))
    points = {
        arm: {n: of(several)[:, 0] for n, several in sizes.items()} for arm, sizes in curves.items()
    }
    answers["learning_curves"] = learning_curves(points, resamples)
    _write(folder, answers, study.grid)

    bands = _bands(study)
    train(bands)
    answers["bands"] = band_importance(
        of(bands), full.z_spec, n_bins=study.config.n_redshift_bins, resamples=resamples
    )
    _write(folder, answers, study.grid)
    if study.other_sky is None:
        return

    skies = _skies(study, study.other_sky)
    train(_flat(skies))
    ids = dict(zip(SKIES, (full.object_id, study.other_sky[2]), strict=True))
    answers["sizes"] = gains_on_two_skies(
        {
            sky: ({arm: of(several)[:, 0] for arm, several in skies[sky].items()}, ids[sky])
            for sky in SKIES
        },
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    _write(folder, answers, study.grid)


def _bands(study: Study) -> list[Training]:
    """Hybrids that know every subset of the bands."""
    full = study.arms["full"]
    settings = full.model_copy(update={"subset_dropout": 0.5, "epochs": 2 * full.epochs})
    return [
        study.training("full", seed, name="bands", settings=settings, every_subset=True)
        for seed in study.config.seeds
    ]


def _curves(study: Study) -> dict[str, dict[int, list[Training]]]:
    """Architecture -> number of training groups -> trainings, each on groups of its own."""
    group_id = study.galaxies.column("group_id")
    n_all = len(np.unique(group_id[study.full.train]))
    sizes = [*(n for n in study.config.n_groups if n < n_all), None]
    curves: dict[str, dict[int, list[Training]]] = {}
    for arm in (arm for arm in ("full", "published_full", "apertures") if arm in study.arms):
        curves[arm] = {
            n or n_all: [
                study.training(
                    arm,
                    seed,
                    name=f"{arm} on {n or n_all} groups",
                    split=subset_of_groups(study.full, group_id, n_groups=n, seed=seed),
                )
                for seed in study.seeds(arm)
            ]
            for n in sizes
        }
    return curves


def _skies(
    study: Study, other_sky: tuple[Path, Split, NDArray[np.int64]]
) -> dict[str, dict[str, list[Training]]]:
    """Sky -> arm -> trainings."""
    path, split, _ = other_sky
    other = {"galaxies": path.absolute(), "galaxies_sha256": _digest(path), "split": split}
    changes = dict(zip(SKIES, ({}, other), strict=True))
    arms = [arm for arm in ("full", "apertures", "catalogue") if arm in study.arms]
    return {
        sky: {
            arm: [study.training(arm, seed, **changes[sky]) for seed in study.config.seeds]
            for arm in arms
        }
        for sky in SKIES
    }


def _flat(nested: Mapping[Any, Mapping[Any, list[Training]]]) -> list[Training]:
    return [training for of in nested.values() for several in of.values() for training in several]


def _write(folder: Path, answers: Json, grid: RedshiftGrid) -> None:
    """Write what there is so far."""
    write_json(folder / "study.json", answers)
    _draw(folder / "study", answers, grid)
    made = markdown_templates("pix2z.study")
    made.filters.update(
        ranged=ranged, count=lambda n: f"{n:,}", spread=spread, would_meet=would_meet
    )
    words = answers_in_words(answers)
    text = made.get_template("study.md.j2").render(**answers, found=set(answers), answer=words)
    with atomic_path(folder / "study.md") as partial:
        partial.write_text(narrow_tables(laid_out(text)), encoding="utf-8")


def _draw(folder: Path, answers: Json, grid: RedshiftGrid) -> None:
    figures.plot_pit_distances(answers["pit"], folder / "pit_distances.png")
    figures.plot_stacks(answers["tomography"]["full"], grid, folder / "stacked_n_of_z.png")
    figures.plot_tomographic_bias(answers["tomography"], folder / "tomographic_bias.png")
    if answers["attenuation"]:
        figures.plot_attenuation(answers["attenuation"], folder / "attenuation.png")
    if "bands" in answers:
        figures.plot_band_importance(answers["bands"], folder / "bands.png")
    if "learning_curves" in answers:
        figures.plot_learning_curves(answers["learning_curves"], folder / "learning_curves.png")
    if "sizes" in answers:
        figures.plot_sizes(answers["sizes"], folder / "sizes.png")
