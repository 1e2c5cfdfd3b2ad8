"""fastrbm bench."""

from __future__ import annotations

import argparse

from .._core import dispatch
from .._core import threads as _threads
from .common import picture_shape, whole
from .speed import compare
from .words import say, say_json

DISCLAIMER = (
    "Each result was checked first. Medians on this machine, now, with whatever else it does; other sizes, machines "
    "and\nversions of NumPy give other ratios. NumPy is well-written float32 (fastrbm/cli/speed.py)."
)


def add_bench(commands) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "bench",
        help="a quick check of speed against NumPy",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Time a Gibbs sweep and a training update against well-written NumPy on this machine, in seconds.",
        epilog="examples:\n"
        "  fastrbm bench\n"
        "  fastrbm bench --size 1024x4096 --chains 128\n"
        "  OMP_NUM_THREADS=1 fastrbm bench --json      one thread for both sides",
    )
    parser.add_argument(
        "--size", type=picture_shape, default="784x500", metavar="VxH",
        help="visible and hidden units (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--chains",
        type=whole(1),
        default=512,
        metavar="M",
        help="chains, and examples of an update (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    parser.set_defaults(run=run_bench)


def run_bench(options: argparse.Namespace) -> None:
    visible, hidden = map(int, options.size.split("x"))
    timings = compare(visible, hidden, options.chains)
    threads = _threads.default_threads()
    if options.json:
        numbers = {"visible": visible, "hidden": hidden, "chains": options.chains, "threads": threads}
        for timing in timings:
            key = timing.step.replace(" ", "_").replace("-", "_").lower()
            numbers |= {f"{key}_fastrbm": timing.fastrbm, f"{key}_numpy": timing.numpy, f"{key}_ratio": timing.ratio}
        say_json(numbers | {"isa_level": dispatch.LEVEL})
        return
    many = f"{threads} thread{'s' * (threads > 1)}"
    say(f"{options.size}, {options.chains:,} chains, {many}, {dispatch.LEVEL}; times in ms")
    say(f"{'':14}{'fastrbm':>9}{'NumPy':>9}{'ratio':>9}")
    for t in timings:
        say(f"{t.step:14}{t.fastrbm * 1e3:9.3f}{t.numpy * 1e3:9.3f}{t.ratio:9.2f}")
    say(DISCLAIMER)
