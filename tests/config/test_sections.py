"""Every section reads what is shipped, and names file and key of what it cannot take."""

import copy
import json
import math
import re
from functools import reduce
from pathlib import Path

import pytest
import yaml

from pix2z.cli.workspace import merge
from pix2z.config.arms import SPECTRUM_MODEL, read_arm, read_arms
from pix2z.config.compute import ComputeConfig
from pix2z.config.controls import ControlsConfig
from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.finetune import FinetuneConfig
from pix2z.config.ingest import Hdf5Mapping, IngestConfig
from pix2z.config.networks import (
    SOFTMAX_CONFIGS,
    AperturesConfig,
    CatalogueConfig,
    HybridConfig,
    PublishedCnnConfig,
)
from pix2z.config.pdf import PdfConfig
from pix2z.config.promotion import PromotionConfig
from pix2z.config.section import SECTIONS, read_params
from pix2z.config.sky import SkyConfig
from pix2z.config.spectrum import SpectrumConfig, read_spectrum_arm, read_spectrum_arms
from pix2z.config.split import SplitConfig
from pix2z.config.student import StudentConfig
from pix2z.config.study import StudyConfig
from pix2z.config.tune import TuneConfig
from pix2z.errors import ParamsError

ROOT = Path(__file__).parents[2]
SHIPPED = yaml.safe_load((ROOT / "params.yaml").read_text())
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
CONFIGS = (
    SkyConfig,
    IngestConfig,
    SplitConfig,
    PdfConfig,
    ControlsConfig,
    HybridConfig,
    AperturesConfig,
    CatalogueConfig,
    PublishedCnnConfig,
    ComputeConfig,
    TuneConfig,
    EvaluateConfig,
    StudyConfig,
    FinetuneConfig,
    StudentConfig,
    PromotionConfig,
    SpectrumConfig,
)
READERS = {config.key: config.read for config in CONFIGS} | {
    "arms": read_arms,
    "spectrum_arms": read_spectrum_arms,
}

WRONG = [
    ("promotion.limits.arm", ""),
    ("promotion.limits.crps", 0),
    ("promotion.margin", 0),
    ("promotion.calibration.coverage_68", 1.5),
    ("ingest.source", 3),
    ("ingest.layout", "zip"),
    ("ingest.check_photometry", "perhaps"),
    ("ingest.z_max", math.inf),
    ("ingest.hdf5", None),
    ("ingest.hdf5.bands", ""),
    ("ingest.hdf5.bands", "ugg"),
    ("ingest.hdf5.bands", "grizy"),
    ("ingest.hdf5.axes", "HWNC"),
    ("ingest.hdf5.images", ""),
    ("ingest.hdf5.redshift", ""),
    ("ingest.hdf5.unit", 3631),
    ("ingest.hdf5.masked_value", math.nan),
    ("ingest.hdf5.zero_point", math.inf),
    ("ingest.hdf5.zero_point", 101),
    ("ingest.spectra.zwarning", []),
    ("ingest.spectra.zwarning", 0),
    ("ingest.spectra.zwarning.0", 0.5),
    ("ingest.spectra.classes", []),
    ("ingest.spectra.classes", "GALAXY"),
    ("ingest.spectra.classes.0", ""),
    ("split.fractions", {"train": 0.5, "validation": 0.1, "calibration": 0.1, "test": 0.2}),
    ("split.fractions", {"train": 0.7, "validation": 0.1, "calibration": 0.1, "test": 0.1 + 1e-8}),
    ("split.fractions", [0.7, 0.1, 0.1, 0.1]),
    ("pdf.n_bins", 1),
    ("pdf.n_bins", 10.5),
    ("sky.conditions.neighbour_limit", 23.0),
    ("sky.conditions.undetected_limit", 22.5),
    ("sky.conditions.wing_scatter", 0.4),  # 4 sigma of it would leave the core no light
    ("sky.conditions.undetected_limit", 26.5),
    ("controls.n_neighbours", []),
    ("controls.n_neighbours", 10),
    ("hybrid.precision", "float16"),
    ("hybrid.dense_units", []),
    ("hybrid.dropout", 1.0),
    ("hybrid.band_dropout", 1.0),
    ("hybrid.augment", "perhaps"),
    ("catalogue.aperture_arcsec", 6.4),
    ("arms.full", "hybrid"),
    ("arms.full.selection", "half"),
    ("arms.full.architecture", "transformer"),
    ("arms.full.seeds", []),
    ("arms.full.seeds", [1, 2, 1]),
    ("arms.full.seeds.0", 2**32),
    ("compute.processes", 0),
    ("tune.n_trials", None),
    ("finetune.fewest_rows", 50),
    ("student.dropout", 1.0),
    ("student.truth_share", 1.1),
    ("spectrum.wavelength.high", 3800.0),
    ("spectrum.wavelength.n", 99),
    ("spectrum.stride", 7),
    ("spectrum.folds", 1),
    ("spectrum.templates", {"n_templates": 4, "degree": 1, "n_pixels": 300}),
    ("spectrum.boosting.subsample", 1.1),
    ("spectrum_arms.full.decoder", "dense"),
    ("spectrum_arms.full.selection", "half"),
]

SIGNED = {
    "sky.faint_limit",
    "sky.conditions.sky_offset_mean",
    "ingest.z_min",
    "pdf.z_min",
    "ingest.spectra.zwarning.0",
}
"""Numbers that may be anything finite; no other may be negative."""

MAY_BE_ZERO = {
    *(
        f"{architecture}.{setting}"
        for architecture in SOFTMAX_CONFIGS
        for setting in ("dropout", "weight_decay", "label_smoothing_dz", "band_dropout")
    ),
    "student.dropout",
    "student.truth_share",
    "tune.n_trials",
    "spectrum.residual_rank",
    "spectrum.templates.degree",
    *(f"sky.conditions.{name}_scatter" for name in ("seeing", "wing", "sky_offset")),
    *(f"sky.conditions.sky_noise_scatter.{band}" for band in range(5)),
    *(f"sky.conditions.calibration_error.{band}" for band in range(5)),
}
"""So may seeds; all other numbers are positive."""


@pytest.fixture
def write(tmp_path):
    def write_params(params):
        path = tmp_path / "params.yaml"
        path.write_text(json.dumps(params))  # which is YAML, and written far sooner
        return path

    return write_params


def group_of(params, place):
    """Return what holds the value at a dotted place, and the last part of the place."""
    *parents, last = (int(part) if part.isdigit() else part for part in place.split("."))
    return reduce(lambda group, part: group[part], parents, params), last


def changed(place, value):
    params = copy.deepcopy(SHIPPED)
    group, last = group_of(params, place)
    group[last] = value
    return params


def without(place):
    params = copy.deepcopy(SHIPPED)
    group, last = group_of(params, place)
    del group[last]
    return params


def fault(path, section):
    with pytest.raises(ParamsError) as caught:
        READERS[section](path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_section_has_a_reader():
    assert set(READERS) == set(SECTIONS) == set(SHIPPED)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_shipped_section_reads(section):
    READERS[section](ROOT / "params.yaml")


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_reads(write, preset):
    overlay = yaml.safe_load(preset.read_text())
    path = write(merge(read_params(ROOT / "params.yaml"), overlay, path=str(preset)))
    for read in READERS.values():
        read(path)


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_a_wrong_value_is_named(write, place, value):
    path = write(changed(place, value))
    message = fault(path, place.split(".")[0])
    assert message.startswith(f"{path}: {place}: ")
    assert "Value error" not in message


def numbers(value, place):
    """Yield the dotted place of every number in a section."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(inner, f"{place}.{key}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_is_finite_and_has_its_sign(write, section):
    content = SHIPPED[section]
    first = content if not section.endswith("arms") else {"full": content["full"]}
    for place in numbers(first, section):
        wrong = [math.nan, "many"]
        if place not in SIGNED:
            wrong += [-1] if place in MAY_BE_ZERO or "seed" in place else [-1, 0]
        for value in wrong:
            path = write(changed(place, value))
            assert fault(path, section).startswith(f"{path}: {place}: ")


def test_bounds_are_named_as_written(write):
    message = fault(write(changed("pdf.z_max", -0.1)), "pdf")
    assert message.endswith("pdf.z_max: expected more than z_min = 0; received -0.1")
    message = fault(write(changed("arms.full.seeds", [4, 4])), "arms")
    assert message.endswith("arms.full.seeds: expected different seeds; received [4, 4]")
    message = fault(write(changed("split.fractions.test", 0.3)), "split")
    assert message.endswith("split.fractions: expected fractions that sum to 1; received 1.1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": "nJy", "zero_point": 22.5}, "expected unit or zero_point, not both"),
        ({"ra": "cat/ra"}, "expected ra and dec, or neither"),
        ({"dec": "cat/dec"}, "expected ra and dec, or neither"),
        ({"surprise": "z"}, "extra inputs are not permitted"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_named(write, change, words):
    params = copy.deepcopy(SHIPPED)
    params["ingest"]["hdf5"] |= change
    message = fault(write(params), "ingest")
    assert "ingest.hdf5" in message
    assert message.endswith(words)


def test_a_mapping_may_leave_out_what_has_a_default():
    shipped = IngestConfig.read(ROOT / "params.yaml").hdf5
    assert shipped == Hdf5Mapping()
    assert SHIPPED["ingest"]["hdf5"] == Hdf5Mapping().model_dump()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((place, 0) for place in sorted(MAY_BE_ZERO)),
        ("ingest.source", "a/folder"),
        ("ingest.layout", "hdf5"),
        ("ingest.layout", "pasquet"),
        ("ingest.spectra.zwarning", [0, 16]),
        ("ingest.spectra.zwarning", None),
        ("ingest.spectra.classes", None),
        ("ingest.hdf5.axes", "NHWC"),
        ("ingest.hdf5.bands", "zg"),
        ("ingest.hdf5.unit", "nJy"),
        ("ingest.hdf5.zero_point", 22.5),
        ("hybrid.trunk_filters", []),
        ("compute.processes", 4),
        ("pdf.n_bins", 2),
        ("arms.full.seeds", [0, 2**32 - 1]),
    ],
)
def test_what_is_possible_reads(write, place, value):
    READERS[place.split(".")[0]](write(changed(place, value)))


@pytest.mark.parametrize("section", SECTIONS)
def test_unknown_and_missing_keys_are_named(write, section):
    holder = f"{section}.full" if section.endswith("arms") else section
    path = write(changed(f"{holder}.surprise", 1))
    assert fault(path, section) == f"{path}: {holder}.surprise: extra inputs are not permitted"
    key = next(iter(group_of(SHIPPED, f"{holder}.x")[0]))
    path = write(without(f"{holder}.{key}"))
    told = "is missing; take it from the params.yaml of this version"
    assert fault(path, section) == f"{path}: {holder}.{key} {told}"


@pytest.mark.parametrize("section", SECTIONS)
def test_unknown_and_missing_sections_are_named(write, section):
    path = write(without(section))
    told = "is missing; take it from the params.yaml of this version"
    assert fault(path, section) == f"{path}: {section} {told}"
    path = write(SHIPPED | {"surprise": {}})
    assert fault(path, section).startswith(f"{path}: unknown section 'surprise'; expected sky, ")
    path = write(SHIPPED | {section: None})
    assert fault(path, section).startswith(f"{path}: {section}: input should be a valid dictionary")


def test_a_file_of_an_earlier_version_is_told_at_once_what_it_lacks(write):
    sections = [name for name in SHIPPED if name not in ("apertures", "study")]
    path = write({name: SHIPPED[name] for name in sections})
    told = "are missing; take them from the params.yaml of this version"
    assert fault(path, "sky") == f"{path}: apertures, study {told}"
    old = {key: value for key, value in SHIPPED["controls"].items() if key == "seed"}
    path = write(SHIPPED | {"controls": old | {"mlp_epochs": 60}})
    lacking = [f"controls.{key}" for key in ControlsConfig.model_fields if key != "seed"]
    assert fault(path, "controls") == f"{path}: {', '.join(lacking)} {told}"


@pytest.mark.parametrize(
    ("text", "words"), [("sky: [", "not valid YAML"), ("", "expected the sections sky, ")]
)
def test_a_file_without_sections_is_named(tmp_path, text, words):
    path = tmp_path / "params.yaml"
    with pytest.raises(ParamsError, match=f"{path}: cannot be read"):
        read_params(path)
    path.write_text(text)
    with pytest.raises(ParamsError, match=f"{path}: {words}"):
        read_params(path)


def test_former_names_are_answered_with_the_present_ones(write):
    former = {"published_cnn": "seed_cnn"}
    path = write({former.get(name, name): section for name, section in SHIPPED.items()})
    message = fault(path, "published_cnn")
    assert message == f"{path}: section 'seed_cnn' is now called 'published_cnn'"
    message = fault(write(changed("arms.published_full.architecture", "seed_cnn")), "arms")
    assert message.endswith(
        "arms.published_full.architecture: seed_cnn is now called published_cnn"
    )


def test_an_unknown_arm_is_named():
    assert read_arm("full", ROOT / "params.yaml").selection == "full"
    with pytest.raises(ParamsError, match=r"params\.yaml: no arm 'half'; expected full, clipped"):
        read_arm("half", ROOT / "params.yaml")
    assert read_spectrum_arm("full", ROOT / "params.yaml").decoder == "physics"
    with pytest.raises(ParamsError, match=r"params\.yaml: no spectrum arm 'half'; expected full"):
        read_spectrum_arm("half", ROOT / "params.yaml")


def renamed(section, name):
    params = copy.deepcopy(SHIPPED)
    params[section][name] = params[section].pop("full")
    return params


def test_an_arm_does_not_take_the_model_of_the_spectrum_networks(write):
    message = fault(write(renamed("arms", "spectrum")), "arms")
    assert f"arms.spectrum: {SPECTRUM_MODEL} is the model of the spectrum networks" in message
    assert "spectra" in read_arms(write(renamed("arms", "spectra")))


@pytest.mark.parametrize("name", ["latest", "V2", "with space", ""])
def test_a_spectrum_arm_is_an_alias_in_the_registry(write, name):
    message = fault(write(renamed("spectrum_arms", name)), "spectrum_arms")
    assert "expected a name of letters" in message
    assert "v2b" in read_spectrum_arms(write(renamed("spectrum_arms", "v2b")))


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        (
            b"sky: {n_stamps: 480}\n",
            r"not valid YAML \(line \d+: found duplicate key .sky. .*\)\)$",
        ),
        (b"# pr\xe9f\xe9rences\n", "expected text in UTF-8 .*0xe9"),
        (b"a: b: c\n", r"not valid YAML \(line \d+: mapping values are not allowed here\)$"),
        (b"%\n", "not valid YAML"),
        (b"\0", "not valid YAML"),
    ],
)
def test_a_file_that_dvc_would_refuse_is_refused_in_one_line(tmp_path, addition, words):
    """PyYAML takes the last of two values of one key."""
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes() + addition)
    message = fault(path, "sky")
    assert message.startswith(f"{path}: ")
    assert re.search(words, message)


def test_a_key_twice_within_a_section_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    shipped = (ROOT / "params.yaml").read_text()
    path.write_text(re.sub("^sky:.*\n", r"\g<0>  seed: 5\n  seed: 6\n", shipped, flags=re.M))
    assert "duplicate key" in fault(path, "sky")
