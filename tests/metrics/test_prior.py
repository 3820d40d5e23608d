"""What a long tail leaves in the logits, where Bayes' rule says what should be left."""

import math

import pytest
import torch
from samples import LABELS, LOGITS

from kdlib import KdlibError, metrics
from kdlib.metrics.prior import without_prior

COUNTS = torch.tensor([900, 100])


def test_taking_the_prior_off_gives_the_balanced_posterior():
    """Two classes, N(-1, 1) and N(1, 1): where they are equally frequent the log odds at x are 2 x, and in the training
    images, where the first is nine times as frequent, 2 x - log 9."""
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    likelihoods = torch.stack([torch.distributions.Normal(mean, 1.0).log_prob(x) for mean in (-1.0, 1.0)], 1)
    trained = likelihoods + (COUNTS.double() / 1000).log()
    odds = without_prior(trained, COUNTS).diff(dim=1).squeeze(1)
    torch.testing.assert_close(odds, 2 * x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(trained.diff(dim=1).squeeze(1), 2 * x - math.log(9), rtol=1e-12, atol=1e-12)


def test_the_share_of_right_answers_on_balanced_images_is_bayes_own():
    """Of N(-1, 1) against N(1, 1), equally frequent, the best rule is right with probability Phi(1)."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(20_000) % 2
    x = torch.randn(20_000, generator=generator, dtype=torch.float64) + 2 * labels - 1
    trained = torch.stack([-x + math.log(0.9), x + math.log(0.1)], 1)
    right = metrics.accuracy(without_prior(trained, COUNTS).softmax(1), labels)
    assert right == pytest.approx(0.5 * (1 + math.erf(1 / math.sqrt(2))), abs=0.008)  # three standard errors
    assert metrics.accuracy(trained.softmax(1), labels) < right - 0.1


def test_equal_classes_have_no_prior_to_take_off():
    left = without_prior(LOGITS, torch.full((LOGITS.shape[1],), 45))
    torch.testing.assert_close(left.softmax(1), LOGITS.softmax(1), rtol=1e-12, atol=1e-12)
    assert metrics.nll(left, LABELS) == pytest.approx(metrics.nll(LOGITS, LABELS), rel=1e-12)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ([9, 1, 1], r"Class counts have shape \(3,\): give one a class, \(2,\)"),
        ([9, 0], "A class has no training image, .*: give each one or more"),
        ([9, math.nan], "A class has no training image"),
    ],
)
def test_counts_that_are_no_prior_get_one_sentence(counts, sentence):
    with pytest.raises(KdlibError, match=sentence):
        without_prior(torch.zeros(4, 2), torch.tensor(counts))
