"""What estimates redshifts without Keras: the same answers, sealed files, and nothing heavy."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pix2z.catalogue import estimator as chosen
from pix2z.errors import InputError, IntegrityError
from pix2z.inference import estimator as light
from pix2z.inference.estimator import load_pool
from pix2z.saved.sealed import read_pool, write_sealed
from pix2z.tracking.served_forms import POOL
from tests.conftest import artificial_stamps

ROOT = Path(__file__).parents[2]
N = 700
HEAVY = {
    *("tensorflow", "keras", "mlflow", "sklearn", "onnx", "dvc", "optuna", "qp"),
    *("scipy", "astropy", "pandas"),  # each longer than all the rest
}


@pytest.fixture(scope="module")
def stamps():
    """700 galaxies; of the first hundred many lack something."""
    rng = np.random.default_rng(3)
    images = artificial_stamps(rng.uniform(0.02, 0.35, N), seed=4)
    ebv = rng.uniform(0.0, 0.1, N).astype(np.float32)
    images[:20, ..., 0] = np.nan
    images[20:40, :9] = np.nan
    images[40:50][rng.random((10, 32, 32, 5)) < 0.2] = np.inf
    images[50:55], images[55:60, ..., 3] = 0, 0
    images[60:63, 3, 3, 2] = 1e30
    ebv[60:80], ebv[80:90] = np.nan, 7.0
    return images, ebv


@pytest.fixture(scope="module")
def pool(trained_pool):
    return load_pool(trained_pool)


def same(found, expected):
    """Probabilities of bins to 1e-5, as single precision gives them, and all that follows."""
    width = expected.grid.width
    np.testing.assert_allclose(
        found.density * width, expected.density * width, atol=1e-5, rtol=1e-4
    )
    for name in ("z_phot", "z_median", "z_mean", "err68_low", "err95_high"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-4)
    np.testing.assert_array_equal(found.flags, expected.flags)


def test_a_notebook_shows_one_line_of_a_model(pool):
    assert repr(pool) == f"{pool.arm}: digest {pool.digest[:12]}, {pool.grid.n_bins} redshift bins"


def test_it_answers_as_keras_does(pool, trained_pool, stamps):
    from pix2z.network.estimator import load_pool as load_networks

    networks = load_networks(trained_pool)
    expected = networks.estimate(*stamps)
    found = pool.estimate(*stamps)
    same(found, expected)
    assert np.isnan(found.z_median).sum() == 5
    assert len(np.unique(found.flags)) > 6
    assert (pool.digest, pool.grid, pool.arm, dict(pool.record)) == (
        networks.digest, networks.grid, "full", dict(networks.record),
    )  # fmt: skip


def test_it_answers_as_the_published_network_does(trained_published, stamps):
    """Its PDFs may follow its redshifts steeply: those are compared."""
    from pix2z.network.estimator import load_pool as load_networks

    images, ebv = stamps[0][:200], stamps[1][:200]
    expected = load_networks(trained_published).estimate(images, ebv)
    found = load_pool(trained_published).estimate(images, ebv)
    np.testing.assert_allclose(found.z_phot, expected.z_phot, atol=1e-5)
    np.testing.assert_array_equal(found.flags, expected.flags)


@pytest.mark.parametrize("n", [1, 3, 63, 64, 65, 300, 513])
def test_a_galaxy_has_the_same_answer_whichever_are_beside_it(pool, stamps, n):
    images, ebv = stamps
    whole = pool.estimate(images, ebv)
    for first in (0, 57, 150, N - n):
        part = pool.estimate(images[first : first + n], ebv[first : first + n])
        for name in ("density", "z_median", "z_mean", "err68_low", "err95_high", "flags"):
            found, expected = getattr(part, name), getattr(whole, name)[first : first + n]
            np.testing.assert_array_equal(found, expected)


def test_no_galaxy_is_no_answer(pool, stamps):
    assert len(pool.estimate(stamps[0][:0])) == 0
    assert len(pool.estimate(stamps[0][:0], stamps[1][:0])) == 0


def test_wrong_arrays_are_refused(pool):
    with pytest.raises(InputError, match=r"images: expected shape \(N, 32, 32, 5\)"):
        pool.estimate(np.zeros((3, 5, 32, 32)))
    with pytest.raises(InputError, match=r"ebv: expected shape \(3,\)"):
        pool.estimate(np.zeros((3, 32, 32, 5)), np.zeros(2))


@pytest.fixture
def copied(trained_pool, tmp_path):
    return Path(shutil.copytree(trained_pool, tmp_path / "pool"))


def test_what_computes_in_bfloat16_answers_as_it_was_judged(copied):
    from pix2z.network.estimator import Estimator

    assert isinstance(chosen.load_pool(copied), light.Estimator)
    pool = json.loads((copied / "pool.json").read_text())
    name = next(iter(pool["members"]))
    member = json.loads((copied / name / "estimator.json").read_text())
    member["settings"]["precision"] = "mixed_bfloat16"
    write_sealed(copied / name / "estimator.json", member)
    written = json.loads((copied / name / "estimator.json").read_text())
    pool["members"][name] = written["digest"]
    write_sealed(copied / "pool.json", pool)
    assert isinstance(chosen.load_pool(copied), Estimator)
    assert "tensorflow" in POOL.requirements(copied, read_pool(copied))


def test_an_altered_pool_is_refused(copied):
    graph = copied / "pool.onnx"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=r"\A\S+pool.onnx: does not match its digest in \S+\Z"):
        load_pool(copied)
    graph.unlink()
    with pytest.raises(InputError, match=r"pool.onnx: cannot be read \(No such file"):
        load_pool(copied)
    graph.write_bytes(content)
    member = copied / "seed-1/estimator.json"
    member.write_text(member.read_text().replace('"full"', '"fuller"'))
    with pytest.raises(IntegrityError, match="does not match its digest"):
        load_pool(copied)


def test_what_is_no_graph_is_one_line(copied, monkeypatch):
    monkeypatch.setattr(light, "read_onnx_form", lambda *_: b"no graph")
    with pytest.raises(InputError, match=r"\A\S+pool.onnx: ONNX Runtime cannot run it \([^\n]+\Z"):
        load_pool(copied)


def test_a_pool_of_an_earlier_version_is_computed_by_keras(copied, stamps, trained_pool):
    described = json.loads((copied / "pool.json").read_text())
    del described["onnx_sha256"]
    write_sealed(copied / "pool.json", described)
    (copied / "pool.onnx").unlink()
    with pytest.raises(InputError, match=r"pool: has no pool.onnx, which earlier versions did not"):
        load_pool(copied)
    images, ebv = stamps[0][:100], stamps[1][:100]
    found = chosen.load_pool(copied)
    assert type(found).__module__ == "pix2z.network.estimator"
    assert found.arm == "full"
    now = chosen.load_pool(trained_pool)
    assert type(now).__module__ == "pix2z.inference.estimator"
    same(now.estimate(images, ebv), found.estimate(images, ebv))


def test_predicting_imports_nothing_that_takes_long(sample_path, trained_pool, tmp_path):
    out = tmp_path / "z.parquet"
    program = (
        "import sys\nfrom pix2z.cli import app\n"
        f"app({['predict', str(sample_path), '--model', str(trained_pool), '--out', str(out)]},"
        " standalone_mode=False)\n"
        f"sys.exit(', '.join({HEAVY} & set(sys.modules)) or 0)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert out.is_file()
