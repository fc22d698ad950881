import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import pix2z.network.layers  # noqa: F401  (its layers are what the file names)
from pix2z import cli
from pix2z.network.estimator import Member, fresh_model, save_member
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.grid import RedshiftGrid

SETTINGS = {
    "precision": "float32",
    "use_ebv": True,
    "trunk_filters": [2],
    "dense_units": [4],
    "dropout": 0.0,
    "learning_rate": 0.001,
    "weight_decay": 0.0,
    "label_smoothing_dz": 0.0,
    "batch_size": 8,
    "epochs": 1,
    "patience": 1,
    "augment": False,
    "band_dropout": 0.0,
}


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    """Save a tiny hybrid that was never trained."""
    keras.utils.set_random_seed(3)
    grid = RedshiftGrid(0.0, 0.4, 6)
    one = Member(
        architecture="hybrid",
        model=fresh_model("hybrid", SETTINGS, grid=grid),
        grid=grid,
        settings=SETTINGS,
        record={"arm": "full", "seed": 1},
        calibration=Temperature(1.0),
    )
    folder = tmp_path_factory.mktemp("member") / "seed-1"
    save_member(folder, one)
    return folder, one.model


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_exported_network_answers_as_the_member_does(member, tmp_path, suffix):
    folder, model = member
    out = tmp_path / f"network{suffix}"
    done = CliRunner().invoke(cli.app, ["export", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    images = np.random.default_rng(4).normal(1, 1, (3, 32, 32, 5)).astype(np.float32)
    inputs = {"images": images, "ebv": np.full(3, 0.02, np.float32)}
    loaded = keras.models.load_model(out, compile=False)
    np.testing.assert_allclose(
        loaded.predict_on_batch(inputs), model.predict_on_batch(inputs), rtol=1e-6
    )


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["pix2z", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_another_suffix_is_one_line_and_exit_code_2(member, tmp_path, monkeypatch, capsys):
    out = tmp_path / "network.onnx"
    code = run_main(monkeypatch, "export", str(member[0]), "--out", str(out))
    assert code == 2
    assert capsys.readouterr().err == f"error: {out}: expected a name ending in .keras or .h5\n"
    assert not out.exists()


def test_a_folder_without_a_member_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys):
    out = tmp_path / "network.keras"
    assert run_main(monkeypatch, "export", str(tmp_path), "--out", str(out)) == 2
    assert "estimator.json: cannot be read" in capsys.readouterr().err
    assert not out.exists()
