import numpy as np
import pytest
from pix2z.evaluation.binned import bin_edges, binned_metrics

from pix2z.evaluation.point_metrics import point_metrics


def test_edges_are_multiples_of_the_width_and_span_the_values():
    values = np.append(np.linspace(0.013, 0.19, 500), np.nan)
    edges = bin_edges(values, 0.025)
    np.testing.assert_allclose(edges, np.arange(9) * 0.025)
    assert len(bin_edges(np.array([np.nan]), 0.5)) == 0
    np.testing.assert_allclose(bin_edges(np.array([17.0, 17.0]), 0.5), [17.0, 17.5])


def test_bins_stand_at_their_centres_and_measure_their_own_galaxies(terms):
    sample = terms(300)
    edges = np.array([0.0, 0.1, 0.2, 0.4])
    found = binned_metrics(sample, sample.z_spec, edges, n_bootstrap=50, seed=1)
    assert [entry["centre"] for entry in found] == pytest.approx([0.05, 0.15, 0.3])
    assert sum(entry["n"] for entry in found) == 300
    keep = (sample.z_spec >= 0.1) & (sample.z_spec < 0.2)
    expected = point_metrics(sample.z_phot[keep], sample.z_spec[keep])
    assert found[1]["nmad"]["value"] == pytest.approx(expected["nmad"])
    assert found[1]["bias_mean"]["low"] < expected["bias_mean"] < found[1]["bias_mean"]["high"]


def test_thin_bins_keep_their_count_and_nothing_else(terms):
    sample = terms(100)
    edges = np.array([0.0, 0.39, 0.4, 0.41])
    found = binned_metrics(sample, sample.z_spec, edges, n_bootstrap=20, seed=1)
    assert found[1]["n"] < 8
    assert found[1]["crps"] == {"value": None, "low": None, "high": None}


def test_the_last_edge_belongs_to_the_last_bin_and_nan_to_none(terms):
    sample = terms(20)
    variable = np.full(20, 0.5)
    variable[:3] = np.nan
    found = binned_metrics(sample, variable, np.array([0.0, 0.5]), n_bootstrap=5, seed=1)
    assert [entry["n"] for entry in found] == [17]
