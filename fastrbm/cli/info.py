"""fastrbm info."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

import numpy as np

from .._core.archive import Archive
from .._core.config import get_config
from .._core.reading import shown
from ..loading import load, load_chains, load_path
from ..plot.sites import ranges_of, words_of
from ..training import checkpoint
from ..training.record import in_words
from .common import history_in
from .form import Form
from .words import say, say_json


def add_info(commands) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser(
        "info",
        help="versions and threads; or what a file holds, and how it was trained",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Print versions, instruction set and threads; or what a file of this package holds, and how, on "
        "what and "
        "by which\nversion its model was trained.",
        epilog="examples:\n  fastrbm info\n  fastrbm info rbm.npz\n  fastrbm info run.npz --json",
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="a model, a checkpoint, chains or a path")
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    parser.set_defaults(run=run_info)


def run_info(options: argparse.Namespace) -> None:
    facts = _facts(options.file) if options.file else get_config()
    if options.json:
        say_json({name.lower().replace(": ", "_").replace(" ", "_").replace("-", "_"): x for name, x in facts.items()})
        return
    categories: Any = facts.pop("categories", {})
    for name, known in categories.items():
        facts[f"column {shown(name, 40)}"] = "real numbers" if known is None else shown(", ".join(map(str, known)), 200)
    if "training record" in facts:
        record: Any = facts.pop("training record")
        facts |= in_words(record or {"training record": "none: it was not trained, or changed afterwards"})
    if "names" in facts:
        facts["names"] = shown(", ".join(facts["names"]), 200)
    facts = {name: value for name, value in facts.items() if value not in ("None", "[]")}  # of a set-up
    width = max(map(len, facts))
    for name, value in facts.items():
        say(f"{name:<{width}} {_text(value)}")


def _facts(path: str) -> dict:
    rbm = load(path)
    norms = np.linalg.norm(rbm.weights.astype(np.float64), axis=0)
    own = rbm.hidden.own
    facts: dict[str, Any] = {
        "file": path,
        "kind": "model",
        "visible units": rbm.n_visible,
        "hidden units": rbm.n_hidden,
        "unit types": words_of(rbm.visible, rbm.hidden),
        "parameters": rbm.n_visible * rbm.n_hidden + rbm.n_visible + rbm.n_hidden + (0 if own is None else own.size),
        "norm of the weights": float(np.sqrt((norms**2).sum())),
        "largest norm of a hidden unit": float(norms.max()),
        "largest weight": float(np.abs(rbm.weights).max()),
    }
    for side, units in (("visible", rbm.visible), ("hidden", rbm.hidden)):
        facts |= {f"{side} {name}": list(ends) for name, ends in ranges_of(units).items()}
    form = Form.of(rbm)
    if form.coded:
        facts["columns"] = rbm.visible.n_columns
    if form.alphabet:
        facts["alphabet"] = form.alphabet.letters
    elif form.categories:
        facts["categories"] = dict(zip(form.titles, [known and list(known) for known in form.categories], strict=True))
    elif form.names:
        facts["names"] = list(form.names)
    facts["written"] = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(os.stat(path).st_mtime))
    with Archive(path) as archive:
        kind = next((kind for kind in ("checkpoint", "chains", "path") if f"fastrbm_{kind}" in archive), "model")
    if kind == "path":
        line = load_path(path)
        return facts | {"kind": "path to a model", "models": len(line.models), "steps": line.n_steps}
    if kind == "chains":
        chains = load_chains(path)
        facts |= {"kind": f"{type(chains).__name__} of a model", "chains": len(chains)}
        facts["sweeps done"] = chains.n_sweeps_done
    if kind != "checkpoint":
        return facts | {"training record": None if rbm._record is None else json.loads(rbm._record)}
    _, states, setup = checkpoint.read(path)
    facts["kind"] = "checkpoint of a training, and its model"
    facts |= {f"set-up: {name.replace('_', ' ')}": str(value) for name, value in setup.items() if name != "entries"}
    history = history_in(states, path)
    if len(history):
        facts["rows of history"] = len(history)
        facts |= {f"last {name.replace('_', ' ')}": value for name, value in history.last.items()}
    return facts


def _text(value) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):  # the smallest and the largest
        low, high = map(_text, value)
        return low if low == high else f"{low} to {high}"
    return f"{value:,}" if isinstance(value, int) else shown(str(value), 10_000)
