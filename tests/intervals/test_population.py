import numpy as np
import pytest

from kdlib import metrics
from kdlib.intervals import population


@pytest.mark.parametrize("method", ["ECE 0", "ECE .02", "ECE .02, one bin"])
def test_the_truth_is_what_a_large_sample_shows(method):
    exact = population.networks(method, False)[0]
    assert exact.truth["ece"] == pytest.approx(population.METHODS[method].ece, abs=1e-12)
    rng = np.random.default_rng(1)
    images = 500_000
    chosen = rng.integers(len(exact.logits), size=images)
    labels = population.drawn_labels(chosen, rng)
    logits = exact.logits[chosen]
    probs = logits.softmax(1)
    assert metrics.accuracy(probs, labels) == pytest.approx(exact.truth["accuracy"], abs=0.002)
    assert metrics.nll(logits, labels) == pytest.approx(exact.truth["nll"], abs=0.005)
    assert metrics.brier(probs, labels) == pytest.approx(exact.truth["brier"], abs=0.003)
    assert metrics.ece(probs, labels) == pytest.approx(exact.truth["ece"], abs=0.002)


def test_one_bin_holds_all_of_the_error():
    exact = population.networks("ECE .02, one bin", False)[0]
    confidence, top = exact.logits.softmax(1).max(1)
    right = population.chances()[np.arange(len(top)), top]
    gaps = np.bincount((confidence.numpy() * 15).astype(int).clip(max=14), confidence.numpy() - right, 15) / len(top)
    assert gaps[-1] == pytest.approx(0.02)
    assert abs(gaps[:-1]).max() < 1e-12


def test_trainings_vary_around_the_exact_network():
    _, *trained = population.networks("ECE .01", True)
    eces = np.array([network.truth["ece"] for network in trained])
    assert eces.mean() == pytest.approx(0.01, abs=1e-6)
    assert eces.std() == pytest.approx(0.003, rel=0.1)
    assert 0.002 < np.std([network.truth["accuracy"] for network in trained]) < 0.006
