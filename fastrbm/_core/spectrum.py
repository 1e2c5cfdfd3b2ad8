"""Singular values of a matrix."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-6  # of the largest: what rounding may make of a singular value that is 0


def singular_values(matrix: np.ndarray) -> np.ndarray:
    """All of a matrix (m, n), largest first, float64 (min(m, n),). The last bits are NumPy's.

    They are the roots of the eigenvalues of its smaller Gram matrix. An SVD gives small ones more exactly, but on a
    matrix of several threads: OpenBLAS's threads then meet thousands of times, and where another process has a CPU, or
    the kernels' own threads still wait on it, each meeting may take a time slice. So an SVD of 784 x 64 took a second
    in place of 2 ms, and this 0.3 ms.
    """
    narrow = matrix.astype(np.float64)
    narrow = narrow if narrow.shape[0] >= narrow.shape[1] else narrow.T
    return np.sqrt(np.linalg.eigvalsh(narrow.T @ narrow)[::-1].clip(0.0, None))
