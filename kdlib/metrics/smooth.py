"""Calibration error without bins."""

import numpy as np
from scipy.fft import dct
from scipy.optimize import brentq
from torch import Tensor

from kdlib.metrics._checks import checked_probs, top_label

_CELLS = 2**16


def smooth_ece(probs: Tensor, labels: Tensor) -> float:
    """Smooth calibration error of the top label, smECE (Blasiok & Nakkiran 2023); `probs` (N, K), `labels` (N,).

    smECE_sigma is the integral over 0..1 of |mean_i (y_i - f_i) K_sigma(f_i, t)| with a Gaussian kernel reflected at 0
    and 1; the result is the one sigma at which smECE_sigma = sigma. Numerical error below 1e-5 + 1e-4 of the value. A
    fraction, 0..1. Raises KdlibError on unfit predictions or labels.

    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> round(smooth_ece(probs, labels), 3)
    0.096
    """
    confidence, correct = (column.numpy() for column in top_label(*checked_probs(probs, labels)))
    waves = _cosines(confidence, correct - confidence)
    # In the cosine series of 0..1, smoothing by the reflected Gaussian only shrinks the coefficients.
    frequency = np.pi * np.arange(_CELLS + 1)

    def excess(sigma: float) -> float:  # falls in sigma
        smoothed = dct(waves * np.exp(-0.5 * (sigma * frequency) ** 2), type=1) / 2
        return np.trapezoid(np.abs(smoothed), dx=1 / _CELLS) - sigma

    return brentq(excess, 0, 1, xtol=1e-9)


def _cosines(places: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """2 mean_i r_i cos(pi k f_i), k = 0.._CELLS, each residual shared linearly between the grid points beside it."""
    position = places.clip(0, 1) * _CELLS
    left = np.minimum(position.astype(int), _CELLS - 1)
    share = position - left
    mass = np.bincount(left, (1 - share) * residuals, _CELLS + 1)
    mass += np.bincount(left + 1, share * residuals, _CELLS + 1)
    mass[[0, -1]] *= 2  # the ends stand for themselves and their mirror image
    return dct(mass, type=1) / len(places)
