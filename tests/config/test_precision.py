"""Precision on machines that multiply bfloat16 themselves, and on others."""

import pytest

from pix2z.config.networks import PublishedCnnConfig, resolved_precision

SETTINGS = {"batch_size": 1, "batch_size_clipped": 1, "epochs": 1, "patience": 1, "n_phot_bins": 1}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fma avx2", "float32"),
        ("avx512f avx512_vnni", "float32"),
        ("avx512f avx512_bf16", "mixed_bfloat16"),
        ("amx_bf16 amx_tile", "mixed_bfloat16"),
    ],
)
def test_auto_is_what_the_processor_is_made_for(flags, expected, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: some avx512_bf16 name\nflags\t\t: fpu {flags} sse\n\n" * 2)
    assert resolved_precision("auto", cpuinfo=cpuinfo) == expected
    assert resolved_precision("float32", cpuinfo=cpuinfo) == "float32"
    assert resolved_precision("mixed_bfloat16", cpuinfo=cpuinfo) == "mixed_bfloat16"


def test_auto_without_a_list_of_flags_is_float32(tmp_path):
    assert resolved_precision("auto", cpuinfo=tmp_path / "absent") == "float32"


def test_settings_hold_what_was_resolved():
    settings = PublishedCnnConfig(precision="auto", **SETTINGS)
    assert settings.precision == resolved_precision("auto")
    assert PublishedCnnConfig.model_validate(settings.model_dump()).precision == settings.precision
