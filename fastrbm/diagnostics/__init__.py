"""Diagnostics of Markov chains: how slowly they forget, whether they agree, and whether they see all modes."""

from .convergence import ess, mcse, rhat, split_rhat
from .correlation import AutocorrelationTime, autocorrelation, autocorrelation_time
from .meeting import Meeting, meet
from .summary import Summary, TraceSummary, summary, to_inference_data
from .tracing import free_energy_trace, traces

__all__ = [
    "AutocorrelationTime", "Meeting", "Summary", "TraceSummary", "autocorrelation", "autocorrelation_time", "ess",
    "free_energy_trace", "mcse", "meet", "rhat", "split_rhat", "summary", "to_inference_data", "traces",
]  # fmt: skip
