"""Pictures of a model, of its samples and of its training, by matplotlib: ``pip install matplotlib``.

Every function draws on one axes, ``ax``, by default on a new figure of its own, and returns it; :func:`inputs` and
:func:`marginals` divide it into smaller ones. Colors are
distinguished by color-blind readers too (Okabe & Ito 2008); in pictures of weights 0 is white.
"""

from .charts import autocorrelation, energies, learning_curve, principal_axes
from .columns import column_moments, marginals
from .grids import filters, samples
from .responses import inputs
from .statistics import pair_correlations, site_frequencies
from .weights import category_weights, logos

__all__ = [
    "autocorrelation", "category_weights", "column_moments", "energies", "filters", "inputs", "learning_curve", "logos",
    "marginals", "pair_correlations", "principal_axes", "samples", "site_frequencies",
]  # fmt: skip
