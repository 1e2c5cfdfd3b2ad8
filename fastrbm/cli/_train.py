"""fastrbm train."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from .. import _threads, gradient, monitor, optim
from ..datasets._files import map_rows, read_column
from ..early_stopping import EarlyStopping
from ..fit import FitState, fit
from ..history import History
from ..rbm import RBM
from ._common import BUNDLED, CommandError, add_common, add_data, check_output, data_of, real, say, whole
from ._settings import as_toml

METHODS = ("pcd", "tempered", "fast-pcd", "cd")
SCHEDULES = ("linear", "cosine", "inverse-time", "constant")
SCORES = {"pseudo-likelihood": "pseudo_likelihood", "log-likelihood": "log_likelihood"}
_HISTORY_PAUSE = 10.0  # seconds between two writings of --history

EXAMPLES = """examples:
  fastrbm train digits --out digits-rbm.npz
  fastrbm train images-idx3-ubyte.gz --hidden 500 --epochs 10 --out rbm.npz
  fastrbm train train.npy --validation valid.npy --score log-likelihood --patience 10
  fastrbm train train.npy --epochs 1000 --checkpoint run.npz --resume   start, or go on after an interruption
  fastrbm train digits --method tempered --print-config > run.toml
  fastrbm train --config run.toml --hidden 200"""


def add_train(commands) -> None:
    """Add the command to those of the parser."""
    train = commands.add_parser(
        "train",
        help="train a model on data",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train a model by stochastic ascent of its log-likelihood, and save it.",
        epilog=EXAMPLES,
    )
    train.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help=f"a bundled set ({', '.join(BUNDLED)}) or a file: .npy, .npz, .csv, IDX (.gz); the cases are its rows",
    )
    _add_model(train.add_argument_group("model and data"))
    _add_gradient(train.add_argument_group("gradient"))
    _add_update(train.add_argument_group("update"))
    _add_measurements(train.add_argument_group("measurements"))
    _add_run(train.add_argument_group("long runs and settings"))
    train.set_defaults(run=lambda options: run_train(train, options))


def _add_model(group) -> None:
    group.add_argument("--hidden", type=whole(1), default=128, metavar="H", help="hidden units (default %(default)s)")
    group.add_argument("--out", default="rbm.npz", metavar="FILE", help="the model (default %(default)s)")
    group.add_argument(
        "--epochs", type=whole(1), default=100, metavar="E", help="passes through the data (default %(default)s)"
    )
    group.add_argument(
        "--batch-size", type=whole(1), default=128, metavar="B", help="cases an update (default %(default)s)"
    )
    group.add_argument("--sample-weight", metavar="FILE", help="weights of the cases, one a row: .npy or .csv")
    group.add_argument(
        "--draw", action="store_true", help="grey values are probabilities, drawn from anew in each epoch"
    )
    group.add_argument(
        "--on-disk", action="store_true", help="leave the cases in their .npy file, and read a batch at a time"
    )
    add_data(group)
    add_common(group)


def _add_gradient(group) -> None:
    group.add_argument("--method", choices=METHODS, default="pcd", help="negative phase (default %(default)s)")
    group.add_argument("--chains", type=whole(1), default=256, metavar="M", help="Gibbs chains (default %(default)s)")
    group.add_argument(
        "--sweeps", type=whole(1), default=1, metavar="K", help="sweeps of the chains an update (default %(default)s)"
    )
    group.add_argument(
        "--betas",
        type=whole(1),
        default=10,
        metavar="T",
        help="temperatures of tempered (default %(default)s)",
    )
    group.add_argument("--plain", action="store_true", help="gradients that are not centred")


def _add_update(group) -> None:
    group.add_argument(
        "--optimizer",
        choices=("sgd", "adam"),
        default="sgd",
        help="the update rule (default %(default)s)",
    )
    group.add_argument(
        "--learning-rate", type=real(0, strict=True), metavar="R", help="at the start (default 0.1, for adam 0.0005)"
    )
    group.add_argument(
        "--schedule",
        choices=SCHEDULES,
        default="linear",
        help="how the rate falls (default %(default)s)",
    )
    group.add_argument(
        "--final-rate", type=real(0), metavar="R", help="at the end (default 0, for inverse-time 1%% of the start)"
    )
    group.add_argument(
        "--warm-up",
        type=real(0, 1),
        default=0.0,
        metavar="F",
        help="part of the run in which the rate rises (default 0)",
    )
    group.add_argument("--momentum", type=real(0, 0.9999), default=0.0, metavar="U", help="of sgd (default 0)")
    group.add_argument("--nesterov", action="store_true", help="momentum that looks ahead")
    group.add_argument("--l1", type=real(0), default=0.0, metavar="L", help="pull of small weights to 0 (default 0)")
    group.add_argument("--l2", type=real(0), default=0.0, metavar="L", help="decay of the weights (default 0)")
    group.add_argument(
        "--max-norm",
        type=real(0, strict=True),
        metavar="N",
        help="largest norm of a unit's weights (default none)",
    )
    group.add_argument(
        "--average", type=real(0, 1), default=0.0, metavar="F", help="save the average over the last part F (default 0)"
    )


def _add_measurements(group) -> None:
    group.add_argument("--validation", metavar="FILE", help="cases to measure on, not trained on")
    group.add_argument("--score", choices=tuple(SCORES), help="measure this on the validation cases as it goes")
    group.add_argument(
        "--score-every",
        type=whole(1),
        metavar="E",
        help="epochs between two scores (default: for 0.5%% of the time; with --patience, 50 times or more)",
    )
    group.add_argument(
        "--patience", type=whole(1), metavar="N", help="stop after N scores without a better one, keep the best model"
    )
    group.add_argument("--mixing", action="store_true", help="measure how slowly the chains move")
    group.add_argument("--history", metavar="FILE", help="what was measured, as .csv or .jsonl")
    group.add_argument("--quiet", action="store_true", help="no progress")


def _add_run(group) -> None:
    group.add_argument("--checkpoint", metavar="FILE", help="keep here what it takes to go on (.npz)")
    group.add_argument(
        "--checkpoint-seconds", type=real(0), default=60.0, metavar="S", help="how often (default %(default)s)"
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint, if there is one, with the same settings (default name: beside --out)",
    )
    group.add_argument("--config", metavar="FILE", help="TOML file of settings; options given here go first")
    group.add_argument("--print-config", action="store_true", help="print the settings as TOML, and stop")


def run_train(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.print_config:
        say(as_toml(parser, options))
        return
    if options.data is None:
        parser.error("the following arguments are required: DATA")
    _refuse_idle(options)
    inputs = options.data, options.validation, options.sample_weight, options.config
    out = check_output("--out", options.out, (".npz",), *inputs)
    checkpoint = _checkpoint(options, out, inputs)
    table = None
    if options.history:
        table = check_output("--history", options.history, (".csv", ".jsonl"), *inputs)
    X, more = _data(options)
    rbm = RBM.from_data(X, options.hidden, options.seed)
    untrained = rbm.weights
    threads = _threads.resolve(options.threads)
    words = f"{X.shape[0]:,} cases x {X.shape[1]} units, {options.hidden} hidden units, "
    words += f"{threads} thread{'s' * (threads > 1)}"
    say(words + (f". Going on from {checkpoint}" if checkpoint and checkpoint.exists() else ""))
    averaging = optim.Averaging(options.average) if options.average else None
    stop = EarlyStopping(SCORES[options.score], options.patience) if options.patience else None
    watch = _Watch(table)
    try:
        history = fit(
            rbm,
            X,
            gradient=_gradient(options),
            optimizer=_optimizer(options),
            epochs=options.epochs,
            batch_size=options.batch_size,
            seed=options.seed,
            progress=not options.quiet,
            centring=not options.plain,
            n_threads=options.threads,
            averaging=averaging,
            measures=_measures(options),
            callbacks=[watch, stop] if stop else [watch],
            checkpoint=checkpoint,
            checkpoint_seconds=options.checkpoint_seconds,
            resume=options.resume,
            draw=options.draw,
            **more,
        )
    except (KeyboardInterrupt, FloatingPointError):
        if rbm.weights is untrained:
            say("broken off before the first update; nothing is saved")
            raise
        if averaging:
            averaging.offer(rbm, rbm, options.threads)
        if stop:
            stop.finish(rbm)
        rbm.save(out)
        watch.save()
        which = "best model so far" if stop else "average so far" if averaging else "model of the last complete update"
        say(f"broken off; the {which} is in {out}")
        raise
    rbm.save(out)
    watch.history = history
    watch.save()
    _conclude(history, options, stop, out)


def _refuse_idle(options) -> None:
    """Options that would do nothing are mistakes."""
    for name, given, where, idle in (
        ("--threshold", options.threshold, "--draw", options.draw),
        ("--threshold", options.threshold, "--on-disk", options.on_disk),
        ("--key", options.key, "--on-disk", options.on_disk),
        ("--final-rate", options.final_rate, "--schedule constant", options.schedule == "constant"),
    ):
        if idle and given is not None:
            raise CommandError(f"{name} does nothing with {where}")
    if (options.score_every or options.patience) and not options.score:
        raise CommandError(f"--score-every and --patience need --score {' or '.join(SCORES)}")
    if options.patience and not options.validation:
        raise CommandError("--patience needs --validation: a score of the training data would only tell of them")


def _checkpoint(options, out: Path, inputs) -> Path | None:
    if options.checkpoint is None and not options.resume:
        return None
    beside = out.with_name(f"{out.stem}.checkpoint.npz")
    path = check_output("--checkpoint", options.checkpoint or str(beside), (".npz",), *inputs, str(out))
    if path.exists() and not options.resume:
        raise CommandError(f"--checkpoint {path} exists: add --resume to go on from it, or remove it")
    return path


def _data(options) -> tuple[np.ndarray, dict]:
    """The cases, and what else of fit's arguments comes from files."""
    if options.on_disk:
        if not options.data.endswith(".npy"):
            raise CommandError(f"--on-disk needs a .npy file, got {options.data}")
        X = map_rows(options.data)
    else:
        X = data_of(options.data, options, draw=options.draw)
    more = {}
    if options.sample_weight:
        more["sample_weight"] = read_column(options.sample_weight)
    if options.validation:
        more["validation"] = data_of(options.validation, options)
    return X, more


def _gradient(options):
    chains, sweeps, seed = options.chains, options.sweeps, options.seed
    if options.method == "tempered":
        return gradient.Tempered(chains, options.betas, sweeps, seed=seed)
    if options.method == "fast-pcd":
        return gradient.FastPCD(chains, sweeps, seed=seed)
    return gradient.CD(sweeps, seed) if options.method == "cd" else gradient.PCD(chains, sweeps, seed)


def _optimizer(options):
    adam = options.optimizer == "adam"
    start = options.learning_rate or (0.0005 if adam else 0.1)
    stop = options.final_rate
    if options.schedule == "constant":
        rate = start
    elif options.schedule == "inverse-time":
        rate = optim.InverseTime(start, start / 100 if stop is None else stop)
    else:
        rate = (optim.Cosine if options.schedule == "cosine" else optim.Linear)(start, stop or 0.0)
    if options.warm_up:
        rate = optim.WarmUp(rate, options.warm_up)
    small = {"l1": options.l1, "l2": options.l2, "max_norm": options.max_norm or float("inf")}
    if adam:
        if options.momentum or options.nesterov:
            raise CommandError("--momentum and --nesterov are of --optimizer sgd")
        return optim.Adam(rate, **small)
    return optim.SGD(rate, options.momentum, nesterov=options.nesterov, **small)


def _measures(options) -> list:
    measures: list = []
    if options.score == "pseudo-likelihood":
        measures.append(monitor.PseudoLikelihood(options.score_every))
    elif options.score:
        measures.append(monitor.LogLikelihood(every=options.score_every))
    return [*measures, monitor.Mixing()] if options.mixing else measures


class _Watch:
    """A callback that keeps the history, and writes it from time to time."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.history, self.written = path, History(), time.monotonic()

    def __call__(self, state: FitState) -> None:
        self.history = state.history
        if time.monotonic() - self.written > _HISTORY_PAUSE:
            self.save()

    def save(self) -> None:
        if self.path and len(self.history):
            self.history.save(self.path)
            self.written = time.monotonic()


def _conclude(history: History, options, stop: EarlyStopping | None, out: Path) -> None:
    epochs = history["epoch"].tolist()
    k = epochs.index(stop.best_epoch) if stop and stop.best_epoch in epochs else -1
    at = {column: history[column][k] for column in history.columns}
    say(
        f"{history.last['update']:,} updates in {history.last['seconds']:.1f} s. One sweep from data changes "
        f"{at['reconstruction_error']:.1%} of the units; the model finds the data\n"
        f"{at['free_energy_gap']:.1f} nats a case more likely than noise with the same means. Saved {out}"
    )
    if options.score:
        which = "best, and saved" if stop else "last"
        say(f"{options.score}: {at[SCORES[options.score]]:.2f} nats a case, {which}, epoch {epochs[k]}")
