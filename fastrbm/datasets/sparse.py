"""Sparse matrices of ratings: entries that are not stored are absent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._core import arrays, validate
from ..states.bits import CodeMatrix
from ..units.categorical import Categorical


def sparse_codes(X: Any, n_states: int | Sequence[int], first: int = 1) -> CodeMatrix:
    """Categories from a sparse matrix, in which what is not stored is absent: films that a user did not rate.

    Parameters
    ----------
    X : sparse matrix (n, sites), of any SciPy format
        Whole numbers, from first up. Sparse matrices do not store 0, so that categories usually count from 1, as stars
        do; halves of stars are doubled first. What is stored twice adds up, as everywhere in SciPy.
    n_states : int, or one a site
        How many categories there are.
    first : int
        The number of the first category, whose code is 0.

    Returns
    -------
    CodeMatrix (n, sites)
        A byte an entry, stored or not, and no array of numbers: what ``RBM.from_data`` and ``fit(missing="absent")``
        take. Its codes, and those of samples, count from 0.

    Raises
    ------
    TypeError, ValueError
        When X is not sparse, or a stored entry is no category.

    Examples
    --------
    >>> import fastrbm as fr
    >>> from scipy import sparse
    >>> stars = sparse.csr_matrix([[5, 0, 1], [0, 2, 0]])
    >>> ratings = fr.datasets.sparse_codes(stars, 5)
    >>> ratings.to_states()  # 5: absent
    array([[4, 5, 0],
           [5, 1, 5]], dtype=uint8)
    >>> rbm = fr.RBM.from_data(ratings, n_hidden=2)
    >>> history = fr.fit(rbm, ratings, missing="absent", epochs=10)
    """
    if not arrays.is_sparse(X):
        raise TypeError(f"X must be a sparse matrix, not {arrays.kind(X)}: fit takes dense codes, NaN where absent")
    first = validate.integer(first, "first", -(1 << 31), 1 << 31)
    csr = arrays.numbers(X, "X", sparse=True)
    n, n_sites = csr.shape
    unit = Categorical(n_sites, n_states)
    sites, sizes = csr.indices, np.array(unit.sizes)
    examples, codes = np.repeat(np.arange(n), np.diff(csr.indptr)), csr.data.astype(np.float64) - first
    bad = ~((codes == np.rint(codes)) & (codes >= 0) & (codes < sizes[sites]))
    if bool(bad.any()):
        k = int(np.argmax(bad))
        zero = ", which is stored and is not absent: X.eliminate_zeros()" if csr.data[k] == 0 and first == 1 else ""
        raise ValueError(
            f"X[{examples[k]}, {sites[k]}] is {csr.data[k]:g}{zero}; categories are whole numbers from {first} to "
            f"{first + sizes[sites[k]] - 1}"
        )
    planes = np.repeat(sizes.astype(np.uint8)[:, None], n, axis=1)
    planes[sites, examples] = codes
    return CodeMatrix(planes, unit)
