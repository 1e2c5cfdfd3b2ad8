"""The command line: fastrbm train | sample | inpaint | classify | score | report | info | bench."""

from functools import partial

from .bench import add_bench
from .classify import add_classify
from .commands import COMMANDS, build_parser, main
from .info import add_info
from .inpaint import add_inpaint
from .report import add_report
from .sample import add_sample
from .score import add_score
from .train import run_train
from .train_options import add_train

__all__ = ["build_parser", "main"]

# in the order of the help; commands.py, which runs them, knows none of them
COMMANDS[:] = [
    partial(add_train, run=run_train), add_sample, add_inpaint, add_classify, add_score, add_report, add_info,
    add_bench,
]  # fmt: skip
