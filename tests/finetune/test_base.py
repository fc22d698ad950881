"""Which galaxies a base has seen, and how sure of it one can be; 800 galaxies of conftest."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from pix2z.dataset.splits import Split, write_split
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.files import file_digest
from pix2z.finetune.base import BasePool, check_base, seen_by_base
from pix2z.network.estimator import load_pool
from pix2z.partition import PARTS

FITTED = np.arange(0, 800, 8)


@pytest.fixture
def here(sample_path, tmp_path, monkeypatch) -> Path:
    """A working folder with data/ as ingest and split leave it; FITTED rows train."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    shutil.copy(sample_path, tmp_path / "data/galaxies.h5")
    write_rows(tmp_path / "data/splits/full.h5", FITTED)
    return tmp_path


def write_rows(path: Path, fitted: np.ndarray) -> None:
    parts = {"train": fitted[2:], "validation": fitted[:1], "calibration": fitted[1:2]}
    split = Split("full", **parts, test=fitted[:0], clip_window=(0.0, 0.4), test_digest="")
    write_split(path, split, seed=1, n_galaxies=800)


def base_of(record, folder: Path = Path("models/full")) -> BasePool:
    return BasePool(
        model="full", folder=folder, pool=SimpleNamespace(members=[SimpleNamespace(record=record)])
    )


def seen_in(path: Path, base: BasePool):
    with open_galaxies(path) as galaxies:
        return seen_by_base(galaxies, base, radius_arcsec=2.0)


def inputs(path: Path) -> dict:
    return {"galaxies_sha256": file_digest(path)}


def test_a_base_that_names_its_galaxies_is_known_for_sure(here, sample_path):
    base = base_of({"selection": "full", "inputs": inputs(here / "data/galaxies.h5")})
    seen, facts = seen_in(sample_path, base)
    np.testing.assert_array_equal(np.flatnonzero(seen), FITTED)
    assert facts["complete"]
    assert facts["words"] == (
        "100 galaxies lie within 2 arcsec of those that the base was trained on "
        "(data/galaxies.h5), and these were kept out of validation, calibration and test."
    )


@pytest.mark.parametrize("record", [{}, {"selection": "full", "inputs": {"galaxies_sha256": "0"}}])
def test_galaxies_that_the_base_does_not_name_are_kept_out_but_prove_nothing(
    here, sample_path, record
):
    seen, facts = seen_in(sample_path, base_of(record))
    np.testing.assert_array_equal(np.flatnonzero(seen), FITTED)
    assert not facts["complete"]
    assert "may have been trained on" in facts["words"]
    assert facts["words"].endswith("; whether it has seen others is not known.")


def test_the_galaxies_of_a_tuned_base_and_of_what_it_was_tuned_from_are_both_looked_for(
    here, sample_path
):
    own = here / "finetuned/mine"
    own.mkdir(parents=True)
    shutil.copy(sample_path, own / "galaxies.h5")
    with h5py.File(own / "galaxies.h5", "r+") as file:
        file["ebv"][0] = 0.5  # another file
    write_rows(own / "split.h5", np.arange(40))
    first = {"selection": "full", "inputs": inputs(here / "data/galaxies.h5")}
    record = {"tuned_on": inputs(own / "galaxies.h5"), "base": first}
    seen, facts = seen_in(sample_path, base_of(record, own))
    np.testing.assert_array_equal(np.flatnonzero(seen), np.union1d(FITTED, np.arange(40)))
    assert facts["complete"]
    shutil.rmtree(here / "data")
    seen, facts = seen_in(sample_path, base_of(record, own))
    np.testing.assert_array_equal(np.flatnonzero(seen), np.arange(40))
    assert not facts["complete"]


@pytest.mark.parametrize(("arcsec", "found"), [(1.0, True), (3.0, False)])
def test_a_galaxy_is_the_same_within_the_radius(here, sample_path, arcsec, found):
    with h5py.File(here / "data/galaxies.h5", "r+") as file:
        file["dec"][...] = file["dec"][...] + arcsec / 3600
    seen, _ = seen_in(sample_path, base_of({}))
    np.testing.assert_array_equal(np.flatnonzero(seen), FITTED if found else [])


@pytest.mark.parametrize("without", ["mine", "theirs"])
def test_galaxies_without_positions_leave_it_open(here, sample_path, without, tmp_path):
    mine = Path(shutil.copy(sample_path, tmp_path / "mine.h5"))
    theirs = here / "data/galaxies.h5"
    with h5py.File({"mine": mine, "theirs": theirs}[without], "r+") as file:
        file["ra"][FITTED[5]] = np.nan
    seen, facts = seen_in(mine, base_of({"selection": "full", "inputs": inputs(theirs)}))
    np.testing.assert_array_equal(np.flatnonzero(seen), np.delete(FITTED, 5))
    assert not facts["complete"]


@pytest.mark.parametrize("without", ["files", "positions"])
def test_where_nothing_can_be_compared_that_is_said(here, sample_path, without):
    if without == "files":
        shutil.rmtree(here / "data")
    else:
        with h5py.File(here / "data/galaxies.h5", "r+") as file:
            file["ra"][...] = np.nan
    seen, facts = seen_in(sample_path, base_of({}))
    assert not seen.any()
    assert facts["compared_with"] == []
    assert facts["words"].startswith("Whether the base was trained on galaxies of the test part is")


def test_a_pool_of_another_architecture_is_refused_with_the_reason(trained_pool):
    base = BasePool(model="x", folder=trained_pool, pool=load_pool(trained_pool))
    check_base(base)
    one = base.pool.members[0]
    mixed = replace(base.pool, members=(one, replace(one, architecture="published_cnn")))
    with pytest.raises(InputError, match="model 'x': expected a pool of hybrid networks; received"):
        check_base(replace(base, pool=mixed))


def test_galaxies_rendered_from_the_bases_own_count_only_in_another_part(here, sample_path):
    """FITTED[0] validates, FITTED[1] calibrates, the rest of them train; all others are free."""
    base = base_of({"selection": "full", "inputs": inputs(here / "data/galaxies.h5")})
    part = np.full(800, PARTS.index("train"), np.uint8)
    part[FITTED[0]] = PARTS.index("validation")
    part[FITTED[1]] = PARTS.index("calibration")
    with open_galaxies(sample_path) as galaxies:
        seen, facts = seen_by_base(galaxies, base, radius_arcsec=2.0, part=part)
        assert not seen.any()
        assert facts["words"] == (
            "The galaxies are rendered from those of data/galaxies.h5: none of validation, "
            "calibration and test is one that trained the base."
        )
        part[FITTED[:4]] = PARTS.index("test")
        seen, facts = seen_by_base(galaxies, base, radius_arcsec=2.0, part=part)
    assert np.flatnonzero(seen).tolist() == FITTED[:4].tolist()
    assert "4 are in another part there, and may train alone" in facts["words"]


def test_where_the_bases_galaxies_are_not_here_rendered_ones_prove_nothing(here, sample_path):
    (here / "data/galaxies.h5").unlink()
    part = np.zeros(800, np.uint8)
    with open_galaxies(sample_path) as galaxies:
        seen, facts = seen_by_base(galaxies, base_of({}), radius_arcsec=2.0, part=part)
    assert not seen.any()
    assert not facts["complete"]
    assert "is not known: the galaxies that trained it are not here" in facts["words"]
