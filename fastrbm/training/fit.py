"""fit: train a model."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import defaults, philox, threads, validate, workload
from .._core.synonyms import keywords
from ..gradient.cd import CD
from ..gradient.centering import Centering
from ..gradient.pcd import PCD
from ..optim.averaging import Averaging
from ..optim.schedules import Linear
from ..optim.sgd import SGD
from ..ranks import Alone, Ranks, alone, sharing
from ..rbm import RBM
from ..sampling.trajectory import Trajectory
from ..states.bits import BitMatrix, packed
from ..states.drawn import drawn_parts
from ..states.fractions import Fractions
from ..states.missing import absent_sites, has_missing, with_absent
from ..states.totals import is_array
from . import divided
from .closing import closing
from .contracts import (
    Callback,
    FitState,
    GradientEstimator,
    Metric,
    Optimizer,
    check_callbacks,
    check_metrics,
    check_parts,
)
from .data import ON_RANKS, InMemory, UserBatches, is_on_disk, source_of
from .early_stopping import EarlyStopping
from .loop import Loop
from .measuring import Measuring
from .missing import Latent
from .rate import default_rate
from .resume import Checkpoints
from .run import Training

if TYPE_CHECKING:
    from .history import History

__all__ = ["FitState", "fit"]

_MISSING_HINT = (
    "train with missing='latent', which draws what is missing as the training goes on, or with missing='absent', of "
    "sites "
    "that an example does not have"
)
_OPTIMIZER = "give it to an optimizer, such as optimizer=optim.SGD(learning_rate=0.1)"
_GRADIENT = "give it to an estimator, such as gradient=gradient.PCD(n_chains=512, n_sweeps=1)"
_ELSEWHERE = dict.fromkeys(("learning_rate", "momentum", "nesterov", "l2", "l1", "max_norm"), _OPTIMIZER)
_ELSEWHERE |= dict.fromkeys(("n_sweeps", "n_chains", "n_betas", "persistent"), _GRADIENT)
_ELSEWHERE["n_hidden"] = "give it to RBM.from_data, which makes the model that is trained"
_ELSEWHERE["patience"] = "give it to a callback, such as callbacks=EarlyStopping(column, patience=10)"


@keywords(**_ELSEWHERE)
def fit(
    rbm: RBM,
    X: ArrayLike | Collection[ArrayLike],
    gradient: GradientEstimator | None = None,
    optimizer: Optimizer | None = None,
    epochs: int | None = None,
    batch_size: int = defaults.BATCH_SIZE,
    seed: int = 0,
    sample_weight: ArrayLike | None = None,
    callbacks: Callback | Iterable[Callback] = (),
    progress: bool = False,
    n_threads: int | None = None,
    centered: bool | Centering = True,
    *,
    learn_variance: bool | None = None,
    dynamic_binarization: bool = False,
    missing: str | None = None,
    missing_sweeps: int = defaults.MISSING_SWEEPS,
    averaging: Averaging | None = None,
    trajectory: Trajectory | bool | None = None,
    validation: ArrayLike | None = None,
    metrics: Metric | Iterable[Metric] = (),
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
    comm: Any = None,
) -> History:
    """Train a model in place by stochastic gradient ascent of its log-likelihood.

    Parameters
    ----------
    rbm : RBM
        Changed by each update. :meth:`RBM.from_data` makes one to start from.
    X : array (n, V) or BitMatrix, or batches
        0 and 1, or fractions from 0 to 1; of real units real numbers, in the data's own units. An array is packed once,
        to a bit a number (three bytes of real units); a memory-mapped one stays where
        it is, and the rows of a batch are read when it is their turn. Or any object that is iterated over once an
        epoch, yields batches (n, V), and whose len() is their number: its order and its batch sizes are then its own.
        (Its first batches are read once more beforehand, for the examples that metrics are taken on.)
    gradient : estimator, optional
        By default ``gradient.PCD()``.
    optimizer : optimizer, optional
        By default ``optim.SGD(optim.Linear(0.1, 0.0), l2=0.001)``: plain ascent at a rate that falls to 0, with a
        decay that keeps small what the data do not ask for. Where visible units are real, the rate is halved until it
        is at most 5 / sqrt(V H), of hidden spins a quarter of this, but at least 0.01; where hidden ones are, too, it
        is 0.003. Where hidden units alone are real it is halved until it is at most one by the sum of the variances of
        the visible units.
    epochs : int, optional
        Passes through the data. By default a budget in updates: 100 passes, but at least 20,000 updates, which small
        data need, and at most 50,000; of models of more than 524,288 connections the least number is smaller.
    batch_size : int
        Examples per update. The last batch of an epoch is shorter where it does not divide n; each phase of the
        gradient is divided by its own number of examples, so that it counts as it should.
    seed : int
        Of the order of the examples, which is drawn anew for each epoch, of dynamic binarization, and of metrics.
    sample_weight : array (n,), optional
        Weights of the examples, not negative: what is ascended is `sum_i w_i log p(v_i) / sum_i w_i`. The
        gradient of a batch is that of its weighted mean. It counts by the batch's mean weight over that of all
        examples, so that weights act between batches, too. A batch whose weights are all zero is passed over.
    callbacks : function of a :class:`FitState`, or several
        Called at the end of each epoch; one that returns True ends the training. One with a method ``finish(rbm)`` has
        a last word on the result. See :class:`EarlyStopping`.
    progress : bool
        Show a progress line on standard error.
    n_threads : int, optional
        See :func:`fastrbm.show_config`. No effect on the result.
    centered : bool or gradient.Centering
        Whether gradients are centered, which helps (see :class:`fastrbm.gradient.Centering`); or a Centering that was
        used before, to go on with its offsets. Gradients of your own classes are taken as they are.
    learn_variance : bool, optional
        Whether the gammas of Gaussian visible units are trained, too, by their logarithms, at a rate of their own that
        falls from 0.03 to 0; each stays between `2^-4` and `2^10`. Needed where columns depend on each other: with
        gamma 1 a standardized column has its whole variance already given the hidden units, and nothing is left for
        these to explain. By default wherever there are such units and it can be done, with ``gradient.PCD``.
    dynamic_binarization : bool
        Take fractions as probabilities: states of 0 and 1 are drawn from them each time that a batch is used, so that
        each epoch sees others. By default fractions drive the hidden layer as they are. In a layer of segments those
        of two values are drawn so, and all others, such as a label or real numbers, stay as they are; metrics take the
        likelier of both values.
    missing : "latent", "absent" or None
        What missing entries of X mean: NaN, None, pandas.NA, what is masked, -1 in columns of categories (and of two
        values beside them). None: they are refused.

        "latent": there is a value, nobody knows it. What is ascended is the likelihood of what is known, log sum over
        what is missing of `p(v)`. Each example keeps a state that fills it; before its batch is used, missing_sweeps
        Gibbs sweeps with the known units clamped draw it anew, with the model as it then is. For every estimator,
        optimizer and type of units; X must be an array, which is then kept in memory. Columns of the history, and
        metrics, take the filled examples.

        "absent": there is no unit, for this example: it sends nothing, and is not drawn. Ratings are of this kind: each
        user is an RBM of the films that the user rated, and all share their weights (Salakhutdinov, Mnih & Hinton
        2007). Of categorical sites only, not of real units, and by gradient.CD only, the default then. What is learned
        is no single distribution of all sites; validation data may have absent sites too.
    missing_sweeps : int
        With "latent", from 1 up; without, it is refused. The states have to keep up with a model that changes; large
        data, whose epochs are few, may require more.
    averaging : optim.Averaging, optional
        The result is an average of the parameters over the last part of the training. What is measured is the average,
        too; while the training goes on, rbm itself has the latest parameters.
    trajectory : sampling.Trajectory or True, optional
        Keep models on the way from independent units to the result, near enough for chains to go from one to the next:
        for :class:`TemperedChains`, and for likelihoods (:func:`likelihood.along`). Costs about 5 % of the time. It is
        the history's ``trajectory``, too. Checkpoints grow by its models. After Ctrl-C it has those that were kept
        until then. Not with missing="absent", and not with a gradient that learns no distribution
        (``gradient.Discriminative``). By default that of
        ``gradient.Tempered(path=trajectory)``, if the gradient is such.
    validation : array (n, V) or BitMatrix, optional
        Examples of 0 and 1 that metrics are taken on, and that the model is not trained on. None of their entries may
        be missing, unless missing="absent": fill them in (:meth:`RBM.inpaint`), or take :func:`likelihood.score`, whose
        likelihoods are of what is known.
    metrics : metric, or several, optional
        What to record beyond the columns below: see :mod:`fastrbm.metrics <fastrbm.training.metrics>`.
    checkpoint : path, optional
        A file that gets all that is needed to go on: every ``checkpoint_seconds``, at the end, and on Ctrl-C, SIGTERM
        and SIGHUP. :func:`fastrbm.load` reads its model. That it can be written is tried first; if it cannot be written
        later, there is a warning and the training goes on. One training at a time may use it.
    checkpoint_seconds : float
    resume : bool
        Go on from the checkpoint, if there is one, to the same bits as if there had been no interruption; rbm gets
        its parameters. All other arguments must be those of the first call, but for progress and n_threads; of very
        large arrays some examples are compared, of batches of your own only their number. Gradients, optimizers and
        callbacks of your own take part by ``get_state``, ``set_state`` and ``describe``: see the docs' page Extending.
        A complete training goes on if epochs is larger; but schedules go by the fraction of the training that is done,
        so that a rate which had fallen to 0 rises again: prolong trainings with a constant rate. One that a callback
        ended stays ended.

    comm : communicator, optional
        Of mpi4py, such as ``MPI.COMM_WORLD``: its ranks, processes on one machine or on many, train the model
        together. All of them call fit with the same arguments, and all get the same result, to the same bits as one
        process. Each has a part of the weights, and memory for it, while the training goes on; ranks of one machine
        train small models in memory that they share. For ``gradient.PCD``,
        ``CD``, ``FastPCD`` and ``Tempered`` (without a path), SGD and Adam, visible units that are not real; without a
        trajectory, weights of examples, or fractions as data (``dynamic_binarization`` takes them). Callbacks and
        metrics are called on all ranks; what they return, and make of the model, on rank 0 counts. Rank 0 shows
        progress, warns, and writes the checkpoint. An error that not all ranks have ends them all. See the docs' page
        On a cluster.

    Returns
    -------
    History
        Columns: ``epoch``, ``update``, ``seconds``, ``learning_rate``; ``reconstruction_error``, the expected
        fraction of visible units that one Gibbs sweep from data changes (of real units the mean distance from data to
        their expectation given h, in the units of Gaussian.scale); ``shuffled_gap``, in nats, the mean
        free energy of data whose columns were shuffled independently, minus that of the data: by how much the model
        finds the data more likely than noise with the same means (log Z cancels), about 0 for a model that has
        learned no more than the means; ``hidden_activity``, the mean of `P(h = 1 | v)`, or of `E[h | v]`;
        ``weight_norm``, the Euclidean norm of W; with validation data ``free_energy_gap``, in nats, their mean free
        energy minus that of the training data, which grows when the model overfits (Hinton 2012, section 6); and the
        columns of metrics. Taken on up to
        256 examples, every 256 updates or so; about 20 times in shorter trainings, though not more often than every 64
        updates; after each epoch of up to 20; and at the end.

        ``history.verdict`` says in words what the end of the training shows and what would help: diverged, nothing
        learned, samples unlike the data, overfitting (with validation data), still rising; empty otherwise. All but the
        last are warnings, too; of fewer than 100 updates, that nothing was learned is none.

    Raises
    ------
    FloatingPointError
        When an update would make a parameter non-finite, or take real visible units beyond the grid of their values;
        the model keeps its last good parameters. An update to a model with real units in both layers that cannot be
        normalized is left out; weights between these units are lowered by a 64th instead.
    KeyboardInterrupt
        On Ctrl-C; the model is as the last complete update left it. With a checkpoint, that is written first; a second
        Ctrl-C does not wait for it.
    SystemExit
        Only with a checkpoint or on several ranks, in the main thread, where the program does not handle the signal
        itself: on SIGTERM (code 143) and SIGHUP (129), after the checkpoint, and on all ranks after the same update.
    FileExistsError
        When there is a checkpoint already and resume is False.
    BlockingIOError
        When another training, still running, uses the checkpoint.
    OSError
        When the checkpoint cannot be written at the start.
    ValueError
        When the checkpoint is damaged, or of another training; when ranks are called with other arguments or data.

    Notes
    -----
    An exception that ends the training early, one of a callback included, has the history so far as its attribute
    ``history``.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=32, seed=0)
    >>> rate = fr.optim.SGD(fr.optim.Linear(0.1, 0.0))
    >>> history = fr.fit(rbm, X, gradient=fr.gradient.PCD(n_chains=128), optimizer=rate, epochs=50, seed=0)
    >>> bool(history["shuffled_gap"][-1] > 5)
    True
    """
    alike = {
        "the model": rbm, "seed": seed, "batch_size": batch_size, "epochs": epochs, "gradient": gradient,
        "optimizer": optimizer, "centered": centered, "averaging": averaging, "missing": missing,
        "dynamic_binarization": dynamic_binarization, "checkpoint": None if checkpoint is None else str(checkpoint),
        "resume": resume, "sample_weight": sample_weight, "metrics": metrics, "learn_variance": learn_variance,
        "missing_sweeps": missing_sweeps, "trajectory": trajectory,
    }  # fmt: skip
    resume = validate.flag(resume, "resume")
    checkpoint_seconds = validate.real(checkpoint_seconds, "checkpoint_seconds", 0.0)
    with sharing(comm, **alike) as ranks, alone():
        training = ranks.agree(
            lambda: _prepared(
                rbm, X, gradient, optimizer, epochs, batch_size, seed, sample_weight, callbacks, progress, n_threads,
                centered, learn_variance, dynamic_binarization, missing, missing_sweeps, averaging, trajectory,
                validation, metrics, ranks,
            )
        )  # fmt: skip
        if isinstance(ranks, Ranks):
            ranks.start(training.given())
        if checkpoint is not None:
            setup: dict[str, object] = {"batch_size": training.batch_size, "seed": seed}
            setup |= {} if rbm.visible.gammas is None else {"learn_variance": training.loop.learn_variance}
            training.checkpoints = Checkpoints(training, checkpoint, checkpoint_seconds, resume, setup)
        elif resume:
            raise ValueError("resume needs a checkpoint to go on from")
        return training.run(closing)


def _prepared(
    rbm: RBM, X: Any, gradient: GradientEstimator | None, optimizer: Optimizer | None, epochs: int | None,
    batch_size: int, seed: int, sample_weight: ArrayLike | None, callbacks: Any, progress: bool, n_threads: int | None,
    centered: bool | Centering, learn_variance: bool | None, dynamic_binarization: bool, missing: str | None,
    missing_sweeps: int, averaging: Averaging | None, trajectory: Any, validation: ArrayLike | None, metrics: Any,
    ranks: Alone | Ranks,
) -> Training:  # fmt: skip
    """The training that fit's arguments ask for; of what they do not fit, an error says so. Ranks exchange nothing
    here."""
    if missing is not None:
        validate.one_of(missing, "missing", ("latent", "absent"))
    if gradient is None:
        gradient = CD() if missing == "absent" else PCD()
    epochs = None if epochs is None else validate.integer(epochs, "epochs", 0, philox.MOST_SWEEPS)
    batch_size = validate.integer(batch_size, "batch_size", 1, philox.MOST_CHAINS)
    progress = validate.flag(progress, "progress")
    dynamic_binarization = validate.flag(dynamic_binarization, "dynamic_binarization")
    threads.resolve(n_threads)
    seed = validate.seed(seed)
    callbacks = _several(callbacks, "callbacks", callable(callbacks))
    metrics = _several(metrics, "metrics", callable(metrics) or hasattr(metrics, "columns"))
    _check_kinds(rbm, centered, averaging)
    if optimizer is None:
        optimizer = SGD(Linear(default_rate(rbm), 0.0), l2=defaults.L2)
    missing_sweeps = validate.integer(missing_sweeps, "missing_sweeps", 1, philox.MOST_SWEEPS)
    if missing_sweeps != defaults.MISSING_SWEEPS and missing != "latent":
        raise ValueError(f"missing_sweeps is of missing='latent' alone, and missing is {missing!r}")
    centering = centered if isinstance(centered, Centering) else Centering() if centered else None
    check_parts(gradient, optimizer, sample_weight is not None)
    check_callbacks(callbacks)
    check_metrics(metrics)
    for metric in metrics:  # reported now, not when it is due
        if hasattr(metric, "_check_model"):
            metric._check_model(rbm)
    rbm._check_names(X, "X")
    X = rbm._coded(X, "X")
    if missing is not None and dynamic_binarization:
        raise ValueError("missing takes states, not fractions: leave out dynamic_binarization")
    if missing == "absent" and not getattr(gradient, "takes_absent", False):
        raise ValueError(
            f"missing='absent' needs gradient.CD, whose chains start at the data and have the sites of their example; "
            f"{type(gradient).__name__} has chains of the whole model, in which all sites are there"
        )
    if isinstance(ranks, Ranks):
        divided.refuse(rbm, gradient, optimizer, trajectory, batch_size, averaging)
    trajectory = _trajectory(trajectory, gradient, missing == "absent")
    learn_variance = _learns_variance(learn_variance, rbm, gradient)
    encode = getattr(gradient, "encode", None) if is_array(X) and not is_on_disk(X) else None
    if encode is not None:
        if missing == "latent":
            raise ValueError(f"missing='latent' would fill in labels, which {type(gradient).__name__} takes as absent")
        X = encode(rbm, X, True) if dynamic_binarization else encode(rbm, X)  # labels may be absent
    source: InMemory | UserBatches
    if missing == "latent" and _has_gaps(X, rbm):
        source = Latent(X, rbm, batch_size, seed, sample_weight, missing_sweeps, n_threads)
    else:
        how = sample_weight, dynamic_binarization, rbm.visible_names, missing == "absent"
        try:
            source = source_of(X, rbm.visible, batch_size, seed, *how)
        except ValueError as error:
            if missing is None and is_array(X) and has_missing(X, rbm.visible):
                raise ValueError(f"{error}; or {_MISSING_HINT}") from None
            raise
        absent = missing == "absent" or absent_sites(X.states if isinstance(X, Fractions) else X) is not None
        rbm._has_absent = rbm._has_absent or absent
        if missing is None and encode is None and absent:
            raise ValueError(f"X has absent sites: {_MISSING_HINT}")
    if validation is not None:
        if missing == "absent":
            rbm._check_names(validation, "validation")
            validation = with_absent(rbm._coded(validation, "validation"), rbm.visible, "validation")
        else:
            validation = BitMatrix.from_states(rbm._states(validation, "validation"))
            if has_missing(validation, rbm.visible):
                raise ValueError("validation has absent sites: these need missing='absent'")
        if len(validation) == 0:
            raise ValueError("validation must have at least one example")
    if isinstance(ranks, Ranks) and isinstance(source, InMemory) and not (source.in_bits or source.refills):
        raise ValueError(ON_RANKS)
    if epochs is None:
        epochs = defaults.epochs(source.n_batches, rbm.n_visible, rbm.n_hidden)
    measuring = Measuring(
        metrics, validation, epochs, source.n_batches, seed, n_threads, ranks, rbm.visible, rbm.hidden
    )  # fmt: skip
    columns = measuring.columns
    twice = {name for name in columns if columns.count(name) > 1}
    if twice:
        raise ValueError(f"metrics must have columns of their own; there is more than one {', '.join(sorted(twice))}")
    for callback in callbacks:  # reported now, not hours into the training
        if isinstance(callback, EarlyStopping) and callback.column not in columns:
            raise ValueError(f"EarlyStopping watches {callback.column!r}; the history will have {', '.join(columns)}")
    loop = Loop(
        rbm,
        source,
        gradient,
        optimizer,
        centering,
        epochs * source.n_batches,
        averaging,
        isinstance(centered, Centering) or not centered,
        n_threads,
        learn_variance,
    )
    if trajectory is not None:
        _start(trajectory, loop, source, X, sample_weight, batch_size, seed)
    return Training(loop, source, measuring, callbacks, epochs, progress, trajectory, ranks, batch_size)


def _trajectory(given: object, gradient: GradientEstimator, absent: bool) -> Trajectory | None:
    """The trajectory that fit is given, True standing for one with its defaults."""
    if given is not None and not isinstance(given, (bool, np.bool_, Trajectory)):
        raise TypeError(f"trajectory must be a sampling.Trajectory, True or None, not {given!r}")
    trajectory = given if isinstance(given, Trajectory) else Trajectory() if given else None
    grows = getattr(gradient, "path", None)
    if isinstance(grows, Trajectory):
        if isinstance(given, Trajectory) and given is not grows:
            raise ValueError("trajectory and gradient.path must be one Trajectory, got two")
        trajectory = grows
    if trajectory is not None and absent:
        raise ValueError("trajectory is of one distribution of all sites: leave it out with missing='absent'")
    if trajectory is not None and not getattr(gradient, "generative", True):
        raise ValueError(f"trajectory is of distributions; {type(gradient).__name__} learns none")
    return trajectory


def _learns_variance(given: bool | None, rbm: RBM, gradient: GradientEstimator) -> bool:
    """Whether variances are trained; ValueError where they cannot be, and are to be."""
    reason = ""
    if rbm.visible.gammas is None:
        reason = "Gaussian visible units"
    elif not isinstance(gradient, PCD):
        reason = f"gradient.PCD, whose chains tell the model's variances, not {type(gradient).__name__}"
    if given is None or not validate.flag(given, "learn_variance"):
        return given is None and not reason
    if reason:
        raise ValueError(f"learn_variance needs {reason}")
    return True


def _start(
    trajectory: Trajectory, loop: Loop, source: InMemory | UserBatches, X: Any, sample_weight: ArrayLike | None,
    batch_size: int, seed: int,
) -> None:  # fmt: skip
    """Start a trajectory at the base-rate model of the data; of batches, of their first 256 examples."""
    rbm, gradient, unit = loop.rbm, loop.gradient, loop.rbm.visible
    examples = packed(drawn_parts(source.some_examples(), unit, seed, philox.MEASURED_STATES), unit)
    if is_array(X):
        base = RBM.from_data(X, 1, sample_weight=sample_weight, visible=unit)
    else:
        base = RBM.from_data(examples, 1, visible=unit)
    chains, sweeps = getattr(gradient, "n_chains", batch_size), getattr(gradient, "n_sweeps", 1)
    if not (isinstance(chains, int) and isinstance(sweeps, int)):  # of an estimator of the user's
        chains, sweeps = batch_size, 1
    work = workload.update(rbm.n_visible, rbm.n_hidden, batch_size, chains, sweeps)
    trajectory.start(rbm, base.visible_bias, examples, seed, work, source.n_batches, loop.n_threads)


def _has_gaps(X: Any, rbm: RBM) -> bool:
    """Whether entries of X are missing. TypeError where it is batches."""
    if not is_array(X):
        raise TypeError(
            "missing='latent' needs X to be an array, each of whose examples keeps a state, not batches of your own"
        )
    return has_missing(X, rbm.visible)


def _several(given: Any, name: str, one: bool) -> list[Any]:
    """What is given, which may be one thing alone, as a list."""
    try:
        return [given] if one else list(given or ())
    except (TypeError, ValueError):  # ValueError: an array's truth
        raise TypeError(f"{name} must be one or several, not {type(given).__name__}") from None


def _check_kinds(rbm: object, centered: object, averaging: object) -> None:
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm must be an RBM, not {type(rbm).__name__}")
    if not isinstance(centered, (bool, np.bool_, Centering)):
        raise TypeError(f"centered must be True, False or a gradient.Centering, not {centered!r}")
    if averaging is not None and not isinstance(averaging, Averaging):
        raise TypeError(f"averaging must be an optim.Averaging or None, not {averaging!r}")
