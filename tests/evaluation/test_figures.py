"""What every figure has in common, and what each must show."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from pix2z.evaluation.figures.quality import plot_training_curves
from pix2z.evaluation.figures.redshifts import plot_redshift_histogram, top_error
from pix2z.evaluation.figures.spectra import ShownSpectrum, plot_spectra
from pix2z.evaluation.figures.stamps import NO_DATA, composite, plot_stamps

WINDOW = (-0.006, 0.224)
HISTORY = {"epoch": [0, 1, 2], "loss": [3.0, 2.0, 1.0], "val_loss": [3.1, 2.2, 2.3]}
WAVELENGTH = np.geomspace(3800, 9200, 200)
AXIS = np.arange(32) - 15.5
PROFILE = np.exp(-(AXIS[:, None] ** 2 + AXIS**2) / 18)[..., None]


def noting(seen, method):
    """The method, which also notes down its first argument."""

    def noted(self, first, *args, **kwargs):
        seen.append(first)
        return method(self, first, *args, **kwargs)

    return noted


def test_errors_of_several_arms_share_the_axis_of_the_worst():
    z_spec = np.linspace(0.1, 0.2, 1001)
    good, bad = (z_spec + 0.01, z_spec), (z_spec + np.linspace(0, 0.1, 1001), z_spec)
    assert top_error([good, bad]) == top_error([bad]) == pytest.approx(0.0995)
    assert top_error([good]) == 0.02


def test_the_same_arrays_give_the_same_bytes_and_nothing_else_is_left(tmp_path):
    samples = {"full": np.linspace(0.01, 0.3, 60), "test": np.linspace(0.05, 0.2, 60)}
    files = [tmp_path / "deep" / name for name in ("first.png", "second.png")]
    for file in files:
        plot_redshift_histogram(samples, clip_window=WINDOW, z_max=0.4, path=file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(list(files[0].parent.iterdir())) == 2


def test_a_users_matplotlibrc_changes_no_figure(tmp_path):
    """TeX may not even be installed."""
    plain, styled = tmp_path / "plain.png", tmp_path / "styled.png"
    plot_training_curves({"full": {1: HISTORY}}, plain)
    theirs = {"text.usetex": True, "savefig.bbox": "tight", "axes.facecolor": "black"}
    with mpl.rc_context(theirs):
        plot_training_curves({"full": {1: HISTORY}}, styled)
        assert theirs.items() <= mpl.rcParams.items()
    assert plain.read_bytes() == styled.read_bytes()


def test_spectra_are_drawn_with_labels_whatever_is_unknown(tmp_path, monkeypatch):
    seen = []
    for name in ("supxlabel", "supylabel"):
        monkeypatch.setattr(Figure, name, noting(seen, getattr(Figure, name)))
    flux = np.linspace(1, 2, 200)
    shown = [
        ShownSpectrum(
            f"galaxy {z}",
            z,
            truth,
            flux,
            0.1 * flux,
            0.2 * flux,
            whole=flux + 0.1,
            line95=np.array([0.3, 0.4, np.nan, 0.5, 0.6]),
            line_z=(z - 0.01, z + 0.01),
        )
        for z, truth in ((0.1, flux + 0.05), (np.nan, None), (0.2, flux * np.nan))
    ]
    path = tmp_path / "spectra.png"
    plot_spectra(shown, wavelength=WAVELENGTH, unit="erg", path=path)
    assert seen == ["observed wavelength in vacuum [Å]", "flux density [erg]"]


def test_the_best_epoch_is_marked_on_the_validation_curve(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes, "plot", noting(drawn, Axes.plot))
    plot_training_curves({"full": {1: HISTORY}}, tmp_path / "curves.png")
    assert drawn[-1] == 2  # epochs are counted from 1


@pytest.fixture
def stamps():
    rng = np.random.default_rng(2)
    flux = np.array([0.3, 1.0, 2.0, 2.8, 3.3])
    images = PROFILE * flux + rng.normal(0, 0.05, (7, 32, 32, 5))
    return images.astype(np.float32)


def test_a_composite_keeps_colours_and_shows_no_data_as_grey(stamps):
    stamps[0, :4, :, 2] = np.nan
    stamps[1, 5, 5, 0] = np.nan  # u takes no part
    colours = composite(stamps, white=3.0)
    assert colours.shape == (7, 32, 32, 3)
    assert (colours >= 0).all()
    assert (colours <= 1).all()
    np.testing.assert_array_equal(colours[0, :4], NO_DATA)
    assert not (colours[0, 4:] == NO_DATA).all(axis=-1).any()
    assert not (colours[1] == NO_DATA).all(axis=-1).any()
    only_i, only_g = np.zeros((2, 1, 32, 32, 5))
    only_i[..., 3], only_g[..., 1] = 1, 1
    np.testing.assert_array_equal(composite(only_i, white=1.0)[0, 0, 0].argsort()[-1], 0)
    np.testing.assert_array_equal(composite(only_g, white=1.0)[0, 0, 0].argsort()[-1], 2)


def test_the_page_shows_every_stamp_its_label_and_five_bands(stamps, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(Axes, "set_title", noting(titles, Axes.set_title))
    stamps[3, ..., 4] = np.nan
    labels = [f"z 0.{number}" for number in range(7)]
    path = tmp_path / "page.png"
    plot_stamps(stamps, labels, strip=3, path=path)
    assert titles[:7] == labels
    assert [title.split(":")[0] for title in titles[7:]] == list("ugriz")
    assert titles[-1] == "z: no data"
    assert titles[9] == f"r: peak {stamps[3, ..., 2].max():.2g} nMgy/px"
    with Image.open(path) as image:
        assert 1000 <= image.width <= 1100  # 7.2 inches at 150 dots per inch


def test_flat_stamps_are_drawn_too(tmp_path):
    plot_stamps(np.zeros((1, 32, 32, 5), np.float32), ["flat"], strip=0, path=tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 1000
