"""Clusters of data, and what part of other states is in each: the weights of modes, as far as data show these."""

from __future__ import annotations

import math

import numpy as np

from .axes import principal_axes

_ROUNDS = 20  # of k-means, at most


class Clusters:
    """Clusters of points (n, d): as many as that, or as there are where fewer points differ.

    The cluster that is most spread is split in two across the axis along which it is, until there are enough. Then each
    center goes to the mean of the points that are nearest to it, until none moves (k-means, Lloyd 1982). Nothing is
    random.

    Attributes
    ----------
    centers : float64 (K, d)
    """

    def __init__(self, points: np.ndarray, n: int) -> None:
        groups = [points]
        while len(groups) < n:
            spreads = [float(np.square(group - group.mean(axis=0)).sum()) for group in groups]
            widest = groups[int(np.argmax(spreads))]
            center = widest.mean(axis=0)
            axes = principal_axes(widest - center, 1)
            if not len(axes):
                break
            right = np.einsum("ij,j->i", widest - center, axes[0]) > 0.0
            if right.all() or not right.any():
                break
            groups[int(np.argmax(spreads))] = widest[right]
            groups.append(widest[~right])
        self.centers = np.array([group.mean(axis=0) for group in groups])
        for _ in range(_ROUNDS):
            nearest = self.nearest(points)
            centers = np.array([points[nearest == k].mean(axis=0) for k in np.unique(nearest)])
            if centers.shape == self.centers.shape and np.array_equal(centers, self.centers):
                break
            self.centers = centers

    def weights(self, points: np.ndarray) -> np.ndarray:
        """The part of points (n, d) that is in each cluster, float64 (K,)."""
        return np.bincount(self.nearest(points), minlength=len(self.centers)) / len(points)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """The cluster of each point, int (n,)."""
        return np.argmin([np.square(points - center).sum(axis=1) for center in self.centers], axis=0)


def apart(one: np.ndarray, other: np.ndarray, n_one: float, n_other: float) -> tuple[float, float]:
    """The total variation between the weights of clusters, (K,), of two sets that are worth so many independent
    points; and how many standard errors they are apart: the square root of Pearson's chi^2 of the two sets, which is,
    where they have one distribution, about that of K - 1 independent normal numbers of variance 1."""
    seen = one + other > 0.0
    difference, mean = (one - other)[seen], (n_one * one + n_other * other)[seen] / (n_one + n_other)
    squares = float((np.square(difference) / mean).sum())
    return 0.5 * float(np.abs(difference).sum()), math.sqrt(squares / (1.0 / n_one + 1.0 / n_other))
