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
    Check("limits", "mean bias", "-0.00088 (-0.00160 to -0.00014)", "-0.00300 to 0.00300", True),
    Check("calibration", "95 % coverage", "91.2 % (89.9 % to 92.5 %)", "92.5 % to 97.5 %", False),
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
    for check in CHECKS[1:]:
        assert check.measured in shown
        assert check.limit in shown
    assert (CHECKS[0].measured in shown) == (width == 150)
