"""From densities of the units' values to those of the data's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import floatmath

if TYPE_CHECKING:
    from ..rbm import RBM


def log_density(rbm: RBM, missing: np.ndarray | None = None) -> np.ndarray | float:
    """What log p of the units' values needs to be log p of the data's own numbers: -sum_i log(scale_i) over the columns
    that have a scale; one number, or, where entries are missing, bool (n, columns), one for each example, float64 (n,).
    """
    scales = rbm.visible.log_scales
    if not rbm.visible.real:
        return 0.0
    return -floatmath.total(scales) if missing is None else -floatmath.row_sums((~missing).astype(np.float64), scales)
