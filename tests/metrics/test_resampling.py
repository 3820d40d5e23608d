import json
import time

import numpy as np
import pytest
import torch

from kdlib import metrics
from kdlib.draws import words
from kdlib.metrics.resampling import REPLICATES, bootstrap, bootstrap_scores, resampling
from kdlib.registry import KdlibError


def predictions(images=300, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, classes, generator=generator)
    return logits, torch.randint(classes, (images,), generator=generator)


def test_each_resampled_test_set_has_as_many_images():
    counts = resampling(70)
    assert counts.shape == (REPLICATES, 70)
    assert (counts.sum(1) == 70).all()


def test_images_are_drawn_from_words_of_their_number_and_the_replicate_alone():
    expected = np.bincount((words(7, "bootstrap", 7, 3) % 7).astype(int), minlength=7)
    assert resampling(7)[3].tolist() == expected.tolist()


def test_every_image_is_drawn_alike():
    mean = resampling(100).double().mean(0)  # of 500 draws with variance about 1
    assert (mean - 1).abs().max() < 5 / REPLICATES**0.5


def test_fast_scores_are_those_of_the_metrics_on_each_resampled_set():
    logits, labels = predictions()
    probs = logits.double().softmax(1)
    fast = bootstrap_scores(logits, labels)
    for name in ("accuracy", "ece", "brier"):
        slow = bootstrap(getattr(metrics, name), probs, labels)
        torch.testing.assert_close(torch.tensor(fast[name], dtype=torch.float64), slow, rtol=1e-6, atol=0)
    slow = bootstrap(metrics.nll, logits, labels)
    torch.testing.assert_close(torch.tensor(fast["nll"], dtype=torch.float64), slow, rtol=1e-6, atol=0)


def test_bins_can_be_chosen():
    logits, labels = predictions()
    slow = bootstrap(lambda probs, labels: metrics.ece(probs, labels, bins=3), logits.double().softmax(1), labels)
    fast = torch.tensor(bootstrap_scores(logits, labels, bins=3)["ece"], dtype=torch.float64)
    torch.testing.assert_close(fast, slow, rtol=1e-6, atol=0)


def test_two_runs_are_resampled_alike():
    labels = torch.arange(200) % 2
    logits = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    right, wrong = (bootstrap_scores(each, labels)["accuracy"] for each in (logits, -logits))
    np.testing.assert_allclose(np.add(right, wrong), 1)


def test_replicates_vary_as_the_binomial_does():
    logits, labels = predictions(images=2000)
    accuracy = metrics.accuracy(logits.softmax(1), labels)
    replicates = np.array(bootstrap_scores(logits, labels)["accuracy"])
    assert replicates.mean() == pytest.approx(accuracy, abs=0.002)
    assert replicates.var() == pytest.approx(accuracy * (1 - accuracy) / 2000, rel=0.2)  # three standard errors


def test_scores_go_through_json_at_seven_digits():
    replicates = bootstrap_scores(*predictions())
    assert list(replicates) == ["accuracy", "ece", "nll", "brier"]
    assert json.loads(json.dumps(replicates)) == replicates
    assert {len(column) for column in replicates.values()} == {REPLICATES}
    assert all(value == float(f"{value:.7g}") for column in replicates.values() for value in column)


def test_ten_thousand_images_take_well_under_a_second():
    logits, labels = predictions(10_000, 10)
    bootstrap_scores(logits, labels)  # draws the counts
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        bootstrap_scores(logits, labels)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


def test_bad_input_is_one_sentence():
    logits, labels = predictions()
    with pytest.raises(KdlibError, match="give one an image"):
        bootstrap_scores(logits, labels[:-1])
    with pytest.raises(KdlibError, match="give one an image"):
        bootstrap(metrics.ece, logits, labels[:-1])
    with pytest.raises(KdlibError, match="NaN"):
        bootstrap_scores(logits * float("nan"), labels)
