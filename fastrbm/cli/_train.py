"""fastrbm train."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from .. import _threads, gradient, monitor, optim
from ..datasets._files import read
from ..early_stopping import EarlyStopping
from ..fit import fit
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
        "--learning-rate", type=real(0, strict=True), metavar="R", help="at the start (default 0.1, for adam 0.002)"
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
        help="epochs between two scores (default: for 0.5%% of the time; with --patience, 50 times)",
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
        "--resume", action="store_true", help="go on from the checkpoint, if there is one (default name: beside --out)"
    )
    group.add_argument("--config", metavar="FILE", help="TOML file of settings; options given here go first")
    group.add_argument("--print-config", action="store_true", help="print the settings as TOML, and stop")


def run_train(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.print_config:
        say(as_toml(parser, options))
        return
    if options.data is None:
        parser.error("the following arguments are required: DATA")
    out = check_output("--out", options.out, (".npz",), options.data)
    checkpoint = _checkpoint(options, out)
    history_file = options.history and check_output("--history", options.history, (".csv", ".jsonl"), options.data)
    X, more = _data(options)
    rbm = RBM.from_data(X, options.hidden, options.seed)
    untrained = rbm.weights
    threads = _threads.resolve(options.threads)
    going_on = " Going on from " + str(checkpoint) if checkpoint and checkpoint.exists() else ""
    say(f"{X.shape[0]:,} cases x {X.shape[1]} units, {options.hidden} hidden units, {threads} threads{going_on}")
    more["measures"], more["callbacks"] = _measures(options), _callbacks(options, history_file)
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
            averaging=optim.Averaging(options.average) if options.average else None,
            checkpoint=checkpoint,
            checkpoint_seconds=options.checkpoint_seconds,
            resume=options.resume,
            draw=options.draw,
            **more,
        )
    except KeyboardInterrupt:
        if rbm.weights is untrained:
            say("interrupted before the first update; nothing is saved")
        else:
            rbm.save(out)
            say(f"interrupted; the model of the last complete update is in {out}")
        raise
    rbm.save(out)
    if history_file:
        history.save(history_file)
    _conclude(history, options, out)


def _checkpoint(options, out: Path) -> Path | None:
    if options.checkpoint is None and not options.resume:
        return None
    beside = out.with_name(f"{out.stem}.checkpoint.npz")
    path = check_output("--checkpoint", options.checkpoint or str(beside), (".npz",), options.data)
    if path.absolute() == out.absolute():
        raise CommandError(f"--checkpoint {path} is the file of the model; choose another")
    if path.exists() and not options.resume:
        raise CommandError(f"--checkpoint {path} exists: add --resume to go on from it, or remove it")
    return path


def _data(options) -> tuple[np.ndarray, dict]:
    """The cases, and what else of fit's arguments comes from files."""
    if options.on_disk:
        if not options.data.endswith(".npy"):
            raise CommandError(f"--on-disk needs a .npy file, got {options.data}")
        X = np.load(options.data, mmap_mode="r", allow_pickle=False)
    else:
        X = data_of(options.data, options, draw=options.draw)
    more = {}
    if options.sample_weight:
        plain = options.sample_weight.endswith(".npy")
        weights = np.load(options.sample_weight, allow_pickle=False) if plain else read(options.sample_weight)
        more["sample_weight"] = weights.reshape(-1)
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
    start = options.learning_rate or (0.002 if adam else 0.1)
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
    every = options.score_every
    if options.patience and every is None:
        every = max(1, options.epochs // 50)
    if options.score == "pseudo-likelihood":
        measures.append(monitor.PseudoLikelihood(every))
    elif options.score:
        measures.append(monitor.LogLikelihood(every=every))
    elif options.score_every or options.patience:
        raise CommandError(f"--score-every and --patience need --score {' or '.join(SCORES)}")
    if options.patience and not options.validation:
        raise CommandError("--patience needs --validation: a score of the training data would only tell of them")
    return [*measures, monitor.Mixing()] if options.mixing else measures


def _callbacks(options, history_file: Path | None) -> list:
    callbacks: list = [EarlyStopping(SCORES[options.score], options.patience)] if options.patience else []
    if history_file:
        written = [time.monotonic()]

        def write(state):
            if len(state.history) and time.monotonic() - written[0] > _HISTORY_PAUSE:
                state.history.save(history_file)
                written[0] = time.monotonic()

        callbacks.append(write)
    return callbacks


def _conclude(history, options, out: Path) -> None:
    last = history.last
    say(
        f"{last['update']:,} updates in {last['seconds']:.1f} s. One sweep from data changes "
        f"{last['reconstruction_error']:.1%} of the units; the model finds the data\n"
        f"{last['free_energy_gap']:.1f} nats a case more likely than noise with the same means. Saved {out}"
    )
    if options.score:
        column = history[SCORES[options.score]]
        best = int(np.nanargmax(column))
        which = "best (the model that is saved)" if options.patience else "last"
        value = column[best] if options.patience else column[~np.isnan(column)][-1]
        epoch = history["epoch"][best] if options.patience else last["epoch"]
        say(f"{options.score}: {value:.2f} nats a case, {which}, epoch {epoch}")
