"""fastrbm train."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

from .. import optim
from .._core import defaults
from .._core import threads as _threads
from ..datasets.files import read_column
from ..gradient.cd import CD
from ..gradient.discriminative import Discriminative
from ..gradient.fast_pcd import FastPCD
from ..gradient.hybrid import Hybrid
from ..gradient.pcd import PCD
from ..gradient.tempered import Tempered
from ..rbm import RBM
from ..sampling.trajectory import Trajectory
from ..training import metrics
from ..training.early_stopping import EarlyStopping
from ..training.fit import FitState, fit
from ..training.history import History
from ..training.rate import default_rate
from ..training.verdict import TrainingWarning
from ..units.gaussian import Gaussian
from ..units.layer import TYPES
from . import labels, together
from . import words as _words
from .files import Output, check_output
from .form import Form, Training
from .report import check_report, write_report
from .settings import as_toml
from .train_options import LABELS_RATE, SCORES
from .training_data import refuse_senseless, training_data
from .validation import held_out_part, names_of, split, validation_of
from .words import CommandError, reason, say_json, tell

_HISTORY_PAUSE = 10.0  # seconds between two writings of --history


def run_train(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.print_config:
        _words.say(as_toml(parser, options))
        return
    if options.data is None:
        parser.error("the following arguments are required: DATA")
    with together.ranks.agreeing():
        refuse_senseless(options)
        _refuse_unused(options)
        part = held_out_part(options)
        validation = None if part else options.validation
        inputs = options.data, validation, options.sample_weight, options.labels, options.config
        out = check_output("--out", options.out, (".npz",), *inputs)
        checkpoint = _checkpoint(options, out, inputs)
        files: list[str | Path | None] = [*inputs, out.path, checkpoint.path if checkpoint else None]
        table = check_output("--history", options.history, (".csv", ".jsonl"), *files) if options.history else None
        files.append(table.path if table else None)
        kept = check_output("--trajectory", options.trajectory, (".npz",), *files) if options.trajectory else None
        files.append(kept.path if kept else None)
        trajectory = Trajectory() if kept else None
        page = check_report("--report", options.report, *files) if options.report else None
        say = tell if options.json else _words.say
        training, held = training_data(options), None
        rows: np.ndarray | slice = slice(None)
        if part:
            training, rows, held = split(training, part, options.seed)
        X, form = training.examples, training.form
        if options.fixed_variance and not any(isinstance(segment, Gaussian) for segment in form.unit.segments):
            raise CommandError("--fixed-variance is for gaussian columns, and there are none")
        more = _more(options, training, rows)
        gaps = options.missing or training.label is not None
        complete = _complete(X) if page and gaps and not options.validation else slice(None)
        kinds = {"visible": form.unit if form.coded else form.unit.name, "hidden": options.hidden_type}
        rbm = RBM.from_data(X, options.hidden, options.seed, sample_weight=more.get("sample_weight"), **kinds)
        rbm._visible_names, rbm._visible_categories = form.names, form.categories
        form = Form.of(rbm)  # with the number of units, and the scales of the data
        more |= validation_of(options, form, held)
        untrained = rbm._parameters
        gradient, optimizer = _gradient(options, training.label), _optimizer(options, rbm)
        threads = _threads.resolve(options.threads)
        what = "columns" if form.coded else "units"
        words = f"{X.shape[0]:,} examples x {X.shape[1]} {what}, {options.hidden} hidden units, "
        words += f"{threads} thread{'s' * (threads > 1)}" if together.comm is None else f"{together.ranks.size} ranks"
        if training.words:
            say(training.words)
        say(words + (f". Going on from {checkpoint.name}" if checkpoint and checkpoint.path.exists() else ""))
    averaging = optim.Averaging(options.average) if options.average else None
    stop = EarlyStopping(SCORES[options.score], options.patience) if options.patience else None
    watch = _Watch(table)
    signals, broken = options.signals, None
    try:
        warnings.simplefilter("ignore", TrainingWarning)  # reported below
        watch.history = fit(
            rbm,
            X,
            gradient=gradient,
            optimizer=optimizer,
            epochs=options.epochs,
            batch_size=options.batch_size,
            seed=options.seed,
            progress=not options.quiet,
            centered=not options.uncentered and options.method not in labels.METHODS,
            n_threads=options.threads,
            averaging=averaging,
            trajectory=trajectory,
            metrics=_metrics(options),
            callbacks=[watch, stop] if stop else [watch],
            checkpoint=checkpoint.path if checkpoint else None,
            checkpoint_seconds=options.checkpoint_seconds,
            resume=options.resume,
            dynamic_binarization=options.dynamic_binarization,
            missing=options.missing,
            missing_sweeps=options.missing_sweeps,
            learn_variance=False if options.fixed_variance else None,
            comm=together.comm,
            **more,
        )
        signals.held = True  # from here on they wait: nothing that was learned is lost
    except BaseException as error:
        signals.held = True
        watch.history, broken = getattr(error, "history", watch.history), error
    where, learned, record = None, broken is None or rbm._parameters is not untrained, rbm.training_record
    if learned:
        if broken and averaging:
            averaging.offer(rbm, rbm, options.threads)
        if broken and stop:
            stop.finish(rbm)
        if record is not None:
            rbm._keep_record({**record, **names_of(options, held)})
        where = out.keep(rbm.save)
        watch.keep()
    if broken:
        if where:
            which = "average so far" if averaging else "model of the last complete update"
            say(f"broken off; the {'best model so far' if stop else which} is in {where}")
        elif not learned and not isinstance(broken, Exception):
            say("broken off before the first update; nothing is saved")
        if kept and trajectory and trajectory.models:
            _keep_path(kept, trajectory, say)
        raise broken
    if where:
        _conclude(watch.history, options, stop, where, say)
    found: dict[str, float] = {}
    if where and training.label is not None:
        held_out = more.get("validation")
        found = labels.errors(rbm, X if held_out is None else held_out, training.label, options.threads)
        say(labels.in_words(found, f"{'training' if held_out is None else 'validation'} examples"))
    along = None
    if kept and trajectory:
        along = _keep_path(kept, trajectory, say)
    signals.held = False
    signals.reraise()
    written = None
    if page and together.speaks():
        examples, weight = more.get("validation"), None
        which, data_name = "the validation examples", names_of(options, held).get("validation_name")
        if examples is None:
            examples, which = X[complete], "the training examples"
            which += " in which nothing is missing" if options.missing else ""
            data_name = f"{names_of(options, held)['data_name']} ({which})"
            weight = more["sample_weight"][complete] if form.coded and "sample_weight" in more else None
        written = write_report(
            rbm, examples, page, options, watch.history, say, f", of {which}", name=out.path.name,
            data_name=data_name, sample_weight=weight,
        )  # fmt: skip
    if options.json:
        files_of = {"model": where, "report": written} | ({"trajectory": along} if kept else {})
        say_json(files_of | {"verdict": watch.history.verdict} | watch.history.last | found)


def _keep_path(kept: Output, trajectory: Trajectory, say) -> str | None:
    """Write the path of the models that were kept so far."""
    path = trajectory.path
    if where := kept.keep(path.save):
        n, steps = len(path.models), path.n_steps
        say(f"{n:,} model{'s' * (n > 1)} of the training, on a path of {steps:,} step{'s' * (steps > 1)}: {where}")
    return where


def _refuse_unused(options) -> None:
    """Options that would do nothing are mistakes."""
    for name, given, where, unused in (
        ("--threshold", options.threshold, "--dynamic-binarization", options.dynamic_binarization),
        ("--threshold", options.threshold, "--on-disk", options.on_disk),
        ("--key", options.key, "--on-disk", options.on_disk),
        ("--final-rate", options.final_rate, "--schedule constant", options.schedule == "constant"),
    ):
        if unused and given is not None:
            raise CommandError(f"{name} does nothing with {where}")
    if options.scale is not None and not options.dynamic_binarization:
        raise CommandError("--scale does nothing without --dynamic-binarization")
    if (options.score_every or options.patience) and not options.score:
        raise CommandError(f"--score-every and --patience need --score {' or '.join(SCORES)}")
    if options.patience and not options.validation:
        raise CommandError("--patience needs --validation: a score of the training data would only tell of them")


def _checkpoint(options, out: Output, inputs) -> Output | None:
    if options.checkpoint is None and not options.resume:
        return None
    name = options.checkpoint or str(Path(out.name).with_name(f"{out.path.stem}.checkpoint.npz"))
    output = check_output("--checkpoint", name, (".npz",), *inputs, out.path)
    if output.path.exists() and not options.resume and together.speaks():
        raise CommandError(f"--checkpoint {name} exists: add --resume to go on from it, or remove it")
    return output


def _complete(X: np.ndarray) -> np.ndarray:
    """Which examples a report can be about: those in which nothing is missing."""
    complete: np.ndarray = ~np.isnan(X).any(axis=1) if X.dtype.kind == "f" else np.ones(len(X), bool)
    if not complete.any():
        raise CommandError("--report needs examples in which nothing is missing: give --validation")
    return complete


def _more(options, training: Training, rows: np.ndarray | slice) -> dict:
    """What else is known of the examples."""
    more: dict = {} if training.weights is None else {"sample_weight": training.weights}
    if options.sample_weight:
        weight = read_column(options.sample_weight)
        if isinstance(rows, np.ndarray) and len(weight) > rows[-1]:  # of the wrong number fit tells
            weight = weight[rows]
        more["sample_weight"] = weight
    return more


def _gradient(options, label: int | None):
    sweeps, seed = options.sweeps, options.seed
    if label is not None and options.method == "discriminative":
        return Discriminative(label)
    if label is not None and options.method == "hybrid":
        generative = PCD(options.chains or defaults.CHAINS, sweeps, seed)
        return Hybrid(generative, 0.01 if options.alpha is None else options.alpha, label, seed)
    if options.method == "tempered":
        chains = options.chains or defaults.TEMPERED_CHAINS
        return Tempered(chains, options.betas, sweeps, seed=seed)
    chains = options.chains or defaults.CHAINS
    if options.method == "fast-pcd":
        return FastPCD(chains, sweeps, seed=seed)
    return CD(sweeps, seed) if options.method == "cd" else PCD(chains, sweeps, seed)


def _optimizer(options, rbm: RBM):
    of_labels = options.method in labels.METHODS
    adam = options.optimizer == "adam" or of_labels and options.optimizer is None
    start = options.learning_rate or (
        default_rate(rbm) if not adam else LABELS_RATE if of_labels else defaults.ADAM_RATE
    )
    stop = options.final_rate
    if options.schedule == "constant":
        rate = start
    elif options.schedule == "inverse-time":
        rate = optim.InverseTime(start, start / 100 if stop is None else stop)
    else:
        rate = (optim.Cosine if options.schedule == "cosine" else optim.Linear)(start, stop or 0.0)
    if options.warm_up:
        rate = optim.WarmUp(rate, options.warm_up)
    l2 = options.l2 if options.l2 is not None else 0.0 if adam else defaults.L2
    small = {"l1": options.l1, "l1b": options.l1b, "l2": l2, "max_norm": options.max_norm or float("inf")}
    if adam:
        if options.momentum or options.nesterov:
            raise CommandError("--momentum and --nesterov are of --optimizer sgd")
        return optim.Adam(rate, **small)
    return optim.SGD(rate, options.momentum, nesterov=options.nesterov, **small)


def _metrics(options) -> list:
    chosen: list = []
    if options.score == "pseudo-likelihood":
        chosen.append(metrics.PseudoLikelihood(options.score_every))
    elif options.score:
        chosen.append(metrics.LogLikelihood(every=options.score_every))
    return [*chosen, metrics.Mixing()] if options.mixing else chosen


class _Watch:
    """A callback that keeps the history, and writes it from time to time."""

    def __init__(self, table: Output | None) -> None:
        self.table, self.history, self.written = table, History(), time.monotonic()

    def __call__(self, state: FitState) -> None:
        self.history = state.history
        if self.table and together.speaks() and len(self.history) and time.monotonic() - self.written > _HISTORY_PAUSE:
            self.written = time.monotonic()
            try:
                self.history.save(self.table.path)
            except OSError as error:
                tell(f"fastrbm: --history {self.table.name} cannot be written: {reason(error)}; trying again later")

    def keep(self) -> None:
        """Write it for good."""
        if self.table and len(self.history):
            self.table.keep(self.history.save)


def _conclude(history: History, options, stop: EarlyStopping | None, out: str, say) -> None:
    epochs = history["epoch"].tolist()
    # the last row of an epoch is that of its end
    k = len(epochs) - 1 - epochs[::-1].index(stop.best_epoch) if stop and stop.best_epoch in epochs else -1
    at = {column: history[column][k] for column in history.columns}
    error = at["reconstruction_error"]
    moved = f"changes {error:.1%} of the units"
    if options.visible is not None and TYPES[options.visible].real:
        moved = f"expects them {error:.2f} standard deviations off"
    done = f"{history.last['update']:,} updates in {history.last['seconds']:.1f} s."
    if options.method != "discriminative":  # which learns no distribution of data
        done += (
            f" One sweep from data {moved}; the model finds the data\n{at['shuffled_gap']:.1f} nats per example more "
            "likely than noise with the same means."
        )
    say(f"{done} Saved {out}")
    if history.verdict:
        say(history.verdict)
    if not options.validation:
        what = (
            "--validation FILE, of complete examples" if options.missing == "latent" else "--validation 0.2, or a file"
        )
        say(f"Nothing was held out, so that overfitting would not show: {what}")
    if options.score:
        which = "best, and saved" if stop and stop.best_epoch else "last"
        say(f"{options.score}: {at[SCORES[options.score]]:.2f} nats per example, {which}, epoch {epochs[k]}")
