"""Series: numbers of chains, one a sweep, as users give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays

_LARGEST = 1e150  # squares stay finite


def checked_series(value: ArrayLike, name: str = "series") -> np.ndarray:
    """Float64 (n, chains)."""
    x = arrays.numbers(value, name)
    if x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"{name} must be an array of numbers, (n,) or (n, chains), got shape {x.shape}")
    x = x.astype(np.float64).reshape(len(x), -1)
    if not (np.abs(x) < _LARGEST).all():  # false for NaN
        raise ValueError(f"{name} must be finite, and below {_LARGEST:g}")
    return x


def roundoff(x: np.ndarray) -> float:
    """A variance of such numbers that is nothing but rounding."""
    return 1e-24 * float(np.abs(x).max()) ** 2


def covariances(x: np.ndarray) -> np.ndarray:
    """sum_s x_s x_{s+t} / n of each lag t, (n,): the mean over the chains of centered numbers (n, chains)."""
    n = len(x)
    padded = 1 << (2 * n - 1).bit_length()  # so that the ends do not meet
    spectrum = np.fft.rfft(x.T, padded, axis=1)
    return np.fft.irfft((spectrum.real**2 + spectrum.imag**2).mean(axis=0), padded)[:n] / n
