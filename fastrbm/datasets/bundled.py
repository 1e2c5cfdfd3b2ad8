"""Data that comes with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._core import validate


def load_digits() -> np.ndarray:
    """1,797 handwritten digits of 8 x 8 pixels, binarized: uint8 (1797, 64) of 0 and 1, row by row.

    The test set of the UCI "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998, CC BY 4.0), whose gray
    values run from 0 to 16; a pixel is 1 from 8 up.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> X.shape, X.dtype, round(float(X.mean()), 3)
    ((1797, 64), dtype('uint8'), 0.323)
    """
    with np.load(Path(__file__).with_name("digits.npz")) as archive:
        return np.unpackbits(archive["packed"], axis=1, bitorder="little")


def bars_and_stripes(n: int) -> np.ndarray:
    """The distinct n x n images of bars or stripes: uint8 (2^(n+1) - 2, n^2) of 0 and 1, for n >= 2.

    Each column, or each row, is all 0 or all 1; the all-0 and the all-1 image are counted once (MacKay 2003, exercise
    43.1). A model that knew nothing else would give each the log-likelihood `-log(2^(n+1) - 2)`.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.datasets.bars_and_stripes(2)
    array([[0, 0, 0, 0],
           [1, 0, 1, 0],
           [0, 1, 0, 1],
           [1, 1, 1, 1],
           [1, 1, 0, 0],
           [0, 0, 1, 1]], dtype=uint8)
    """
    n = validate.integer(n, "n", 2)
    if n > 16:
        raise ValueError(f"n must be at most 16 (2^(n+1) - 2 images), got {n}")
    lines = ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.uint8)
    bars = np.broadcast_to(lines[:, None, :], (1 << n, n, n))  # the columns are equal to their line
    stripes = np.broadcast_to(lines[1:-1, :, None], ((1 << n) - 2, n, n))
    return np.concatenate([bars, stripes]).reshape(-1, n * n)
