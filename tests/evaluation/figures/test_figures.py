"""What every figure has in common, and what each must show."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from PIL import Image
from pix2z.evaluation.arm_report import binned_report
from pix2z.evaluation.figures.binned_metrics import plot_binned_metrics
from pix2z.evaluation.figures.contact_sheet import SheetRow, plot_contact_sheet, rgb
from pix2z.evaluation.figures.error_heatmap import plot_error_heatmap
from pix2z.evaluation.figures.forest import plot_forest
from pix2z.evaluation.figures.pit import plot_pit
from pix2z.evaluation.figures.redshift_density import plot_redshift_density
from pix2z.evaluation.figures.redshift_histogram import plot_redshift_histogram
from pix2z.evaluation.figures.training_curves import plot_training_curves

from pix2z.evaluation.figures import style

WINDOW = (-0.006, 0.224)
HISTORY = {"epoch": [0, 1, 2], "loss": [3.0, 2.0, 1.0], "val_loss": [3.1, 2.2, 2.3]}
CONTRAST = {"a": "full", "b": "clipped", "difference": -0.01, "low": -0.02, "high": 0.0}


@pytest.fixture(scope="module")
def sample(terms):
    return terms(60)


def draw(name, sample, path):
    z = (sample.z_phot, sample.z_spec)
    if name == "redshift_histogram":
        samples = {"full": sample.z_spec, "test": sample.z_spec}
        plot_redshift_histogram(samples, clip_window=WINDOW, z_max=0.4, path=path)
    elif name == "training_curves":
        plot_training_curves({"full": {1: HISTORY, 2: HISTORY}, "clipped": {1: HISTORY}}, path)
    elif name == "redshift_density":
        arms = {arm: z for arm in ("full", "clipped", "subsample", "published_full")}
        plot_redshift_density(arms, clip_window=WINDOW, z_max=0.4, path=path)
    elif name == "error_heatmap":
        plot_error_heatmap(*z, arm="full", clip_window=WINDOW, z_max=0.4, path=path)
    elif name == "pit":
        plot_pit({"full": np.linspace(0, 1, 60), "clipped": np.linspace(0, 1, 60) ** 2}, path)
    elif name == "binned_metrics":
        bins = {"full": binned_report(sample, n_bootstrap=10, seed=1)}
        plot_binned_metrics(bins, clip_window=WINDOW, path=path)
    elif name == "forest":
        entries = [
            CONTRAST | {"subset": subset, "metric": metric, "primary": subset == "inside"}
            for subset in ("inside", "whole")
            for metric in ("crps", "mae")
        ]
        plot_forest(entries, path)
    else:
        images = np.random.default_rng(1).normal(0, 1, (3, 32, 32, 5)).astype(np.float32)
        z_spec = sample.z_spec[:3]
        row = SheetRow("Random", images, z_spec, z_spec, z_spec - 0.01, z_spec + 0.01)
        plot_contact_sheet([row, row], path)


NAMES = (
    "redshift_histogram",
    "training_curves",
    "redshift_density",
    "error_heatmap",
    "pit",
    "binned_metrics",
    "forest",
    "contact_sheet",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_a_png_of_print_size_with_something_on_it(name, sample, tmp_path):
    path = tmp_path / "deep" / f"{name}.png"
    draw(name, sample, path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert 300 <= image.width <= 1400  # at most the 9 inches of a page
        assert "Software" not in image.info
        pixels = np.asarray(image.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_the_same_arrays_give_the_same_bytes(sample, tmp_path):
    files = [tmp_path / "first.png", tmp_path / "second.png"]
    for file in files:
        draw("redshift_histogram", sample, file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_axes_are_labelled(sample, tmp_path, monkeypatch):
    seen = []
    original = Axes.set_xlabel
    monkeypatch.setattr(
        Axes, "set_xlabel", lambda self, text, **kw: (seen.append(text), original(self, text))[1]
    )
    for name in ("redshift_histogram", "training_curves", "forest"):
        seen.clear()
        draw(name, sample, tmp_path / "figure.png")
        assert any(seen), name


def test_arms_have_colours_that_differ_in_lightness_or_marker():
    looks = [style.look(arm) for arm in ("full", "clipped", "subsample", "published_full", "trees")]
    assert len({entry["color"] for entry in looks}) == len(looks)
    assert len({entry["marker"] for entry in looks}) == len(looks)
    assert style.look("something else")["color"] == style.look("another")["color"]


def test_the_shading_lies_outside_the_window_only(tmp_path):
    with style.figure_file(tmp_path / "shade.png", width=4, height=3) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        figure.set_layout_engine("none")
        axes.set_xlim(0, 0.4)
        style.shade_outside(axes, (0.1, 0.3))
        axes.set_axis_off()
        assert axes.get_xlim() == (0, 0.4)
    with Image.open(tmp_path / "shade.png") as image:
        row = np.asarray(image.convert("RGB"))[200] / 255
    shade = to_rgb("#f0e6d8")
    np.testing.assert_allclose(row[[50, 550]], [shade, shade], atol=0.01)
    np.testing.assert_allclose(row[300], 1.0)


def test_bins_are_drawn_at_their_centres(sample, tmp_path, monkeypatch):
    drawn = []
    original = Axes.plot
    monkeypatch.setattr(
        Axes,
        "plot",
        lambda self, *args, **kw: (drawn.append(args[0]), original(self, *args, **kw))[1],
    )
    bins = {"full": binned_report(sample, n_bootstrap=10, seed=1)}
    plot_binned_metrics(bins, clip_window=WINDOW, path=tmp_path / "bins.png")
    filled = [e["centre"] for e in bins["full"]["z_spec"] if e["nmad"]["value"] is not None]
    assert list(drawn[0]) == pytest.approx(filled)
    assert all((round(centre / 0.025 - 0.5, 6) % 1) == 0 for centre in filled)


def test_the_best_epoch_is_marked_on_the_validation_curve(tmp_path, monkeypatch):
    drawn = []
    original = Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda self, *args, **kw: (drawn.append(args), original(self, *args, **kw))[1]
    )
    plot_training_curves({"full": {1: HISTORY}}, tmp_path / "curves.png")
    assert drawn[-1][:2] == (2, 2.2)  # epochs are counted from 1


def test_colour_images_keep_their_colour_and_range():
    stamp = np.zeros((2, 32, 32, 5), np.float32)
    stamp[0, ..., 3], stamp[1, ..., 1] = 2.0, 2.0  # i only, g only
    stamp[:, 0, 0] = np.nan
    colours = rgb(stamp)
    assert colours.shape == (2, 32, 32, 3)
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert colours[0, 5, 5].argmax() == 0  # i is red
    assert colours[1, 5, 5].argmax() == 2  # g is blue
    np.testing.assert_array_equal(colours[:, 0, 0], 0)
    brighter = rgb(np.full((1, 4, 4, 5), 0.2)), rgb(np.full((1, 4, 4, 5), 0.02))
    assert brighter[0].mean() > brighter[1].mean()
