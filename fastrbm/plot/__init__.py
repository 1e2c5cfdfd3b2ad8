"""Pictures of a model, of its samples and of its training, by matplotlib: ``pip install matplotlib``.

Every function draws on one axes, ``ax``, by default on a new figure of its own, and returns it; :func:`inputs`,
:func:`marginals` and :func:`moments` divide it into smaller ones. A function that draws one curve or one set of points
takes ``label`` and ``color``, too: several calls with one ax compare runs. One that draws data beside samples takes
``labels`` and ``colors``, of both. Color-blind readers can tell the colors
apart (Okabe & Ito 2008). In pictures of weights 0 is white.
"""

from .charts import autocorrelation, learning_curve, spectrum
from .columns import column_moments, marginals
from .compare import energies, principal_axes
from .grids import filters, samples
from .letters import logos
from .responses import inputs
from .statistics import moments, pair_correlations, site_frequencies
from .weights import category_weights

__all__ = [
    "autocorrelation", "category_weights", "column_moments", "energies", "filters", "inputs", "learning_curve", "logos",
    "marginals", "moments", "pair_correlations", "principal_axes", "samples", "site_frequencies", "spectrum",
]  # fmt: skip
