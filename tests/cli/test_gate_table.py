"""The table of ``pix2z promote`` in terminals of any width."""

from types import SimpleNamespace

import pytest
from rich.console import Console

from pix2z.cli.registry import _show_decision
from pix2z.tracking.promotion.gate import Check

CHECKS = (
    Check(
        "served",
        "Served model",
        "64 answers as predicted, whole and in order",
        "finite, ordered, as predicted",
        True,
    ),
    Check("limits", "Limits", "pix2z-catalogue/1 on 1,225 validation galaxies", "known", True),
    Check(
        "calibration",
        "mean bias",
        "-0.00088 (-0.00160 to -0.00014)",
        "0 ± 0.00300 ± 0.00089",
        True,
        {"value": -0.00088},
    ),
    Check(
        "calibration",
        "95 % coverage",
        "91.2 % (89.9 % to 92.5 %)",
        "95.0 % ± 1.5 % ± 1.2 %",
        False,
        {"value": 0.912},
    ),
)


@pytest.mark.parametrize("width", [80, 150])
def test_no_interval_is_broken_over_two_lines(width, capsys):
    decision = SimpleNamespace(
        candidate=SimpleNamespace(label="pix2z-clipped/1", source=""),
        champion=None,
        is_champion=False,
        checks=CHECKS,
    )
    _show_decision(Console(width=width), decision)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    for check in CHECKS[2:]:
        assert check.measured in shown
        assert check.limit in shown
    assert (CHECKS[0].measured in shown) == (width == 150)
