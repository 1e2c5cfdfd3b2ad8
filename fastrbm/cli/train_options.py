"""The options of fastrbm train."""

from __future__ import annotations

import argparse

from .._core import defaults
from .._core.frames import MAX_LEVELS
from ..units.categorical import Categorical
from ..units.layer import TYPES
from .common import add_common, add_data, add_sample_weight, add_sequence_weights, add_shape, real, whole
from .hints import BUNDLED
from .labels import METHODS as LABEL_METHODS
from .labels import add_labels
from .together import add_mpi

METHODS = ("pcd", "tempered", "fast-pcd", "cd", *LABEL_METHODS)
LABELS_RATE = 0.005  # of Adam
SCHEDULES = ("linear", "cosine", "inverse-time", "constant")
SCORES = {"pseudo-likelihood": "pseudo_likelihood", "log-likelihood": "log_likelihood"}

EXAMPLES = """examples:
  fastrbm train digits --out digits-rbm.npz
  fastrbm train images-idx3-ubyte.gz --hidden 500 --epochs 10 --out rbm.npz --report rbm.html
  fastrbm train train.npy --validation 0.2              hold a fifth out, to see overfitting
  fastrbm train train.npy --validation valid.npy --score log-likelihood --patience 10
  fastrbm train survey.csv --out survey.npz             columns of text: the model keeps names and categories
  fastrbm train family.fasta --alphabet protein --sequence-weights 0.2
  fastrbm train genotypes.npy --visible categorical --states 3
  fastrbm train flowers.csv --labels species --method hybrid --out flowers.npz       then: fastrbm classify
  fastrbm train measurements.csv --visible gaussian     columns of real numbers
  fastrbm train train.npy --epochs 1000 --checkpoint run.npz --resume   start, or go on after an interruption
  mpiexec -n 4 fastrbm train train.npy --mpi            four processes, on one machine or on several
  fastrbm train digits --method tempered --print-config > run.toml
  fastrbm train --config run.toml --hidden 200"""


def add_train(commands, run) -> None:
    """Add the command to those of the parser; run takes its parser and the options."""
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
        help=f"a bundled set ({', '.join(BUNDLED)}) or a file: .npy, .npz, .csv, .tsv, IDX (.gz), whose rows are the "
        "examples; or aligned sequences: .fasta, .fa, .afa (.gz)",
    )
    _add_model(train.add_argument_group("model and data"))
    _add_gradient(train.add_argument_group("gradient"))
    _add_update(train.add_argument_group("update"))
    _add_measurements(train.add_argument_group("measurements"))
    _add_run(train.add_argument_group("long runs and settings"))
    train.set_defaults(run=lambda options: run(train, options))


def _add_model(group) -> None:
    group.add_argument("--hidden", type=whole(1), default=128, metavar="H", help="hidden units (default %(default)s)")
    group.add_argument(
        "--visible", choices=tuple(TYPES),
        help="visible units: bernoulli for data of 0 and 1, spin for data of -1 and 1 (0 and 1 become -1 and 1), "
        "categorical for codes, gaussian for real numbers, whose columns are standardized, relu for real numbers of at "
        "least 0 (default bernoulli; of sequences, and of a .csv of text or codes, as its columns are: beside text, "
        "columns of numbers with fractions are gaussian)",
    )  # fmt: skip
    group.add_argument(
        "--states", type=whole(1, 255), metavar="Q",
        help="of codes: categories of every column, 0 to Q - 1 (default: as many as the largest code shows)",
    )  # fmt: skip
    group.add_argument(
        "--no-header", action="store_true", help="of a .csv of categories: its first line is an example, not names"
    )
    group.add_argument(
        "--max-levels", type=whole(2, 255), default=MAX_LEVELS, metavar="L",
        help="of a .csv of categories: a column with more different numbers than this is a quantity (default "
        "%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--real", action="append", default=[], metavar="COLUMN",
        help="of a .csv of categories: this column holds real numbers, whatever it looks like; may be given several "
        "times",
    )  # fmt: skip
    group.add_argument(
        "--missing", choices=("latent", "absent"),
        help="the data have missing entries (empty, NA, NaN or ? in a .csv; NaN in arrays). latent: they have values "
        "that nobody knows, which are drawn as the training goes on; absent: the example does not have these sites "
        "(with --method cd)",
    )  # fmt: skip
    group.add_argument(
        "--missing-sweeps", type=whole(1), default=defaults.MISSING_SWEEPS, metavar="K",
        help="with --missing latent: sweeps of the unknown values before each use of their example (default "
        "%(default)s)",
    )  # fmt: skip
    add_labels(group, "a column of categories, beside the others, for --method discriminative and hybrid, or any other")
    group.add_argument(
        "--alphabet", metavar="NAME",
        help="of FASTA: protein, rna, dna (with a gap), or the letters in the order of their codes (default: by the "
        "letters of the file)",
    )  # fmt: skip
    add_sequence_weights(group)
    group.add_argument(
        "--hidden-type", choices=tuple(kind for kind in TYPES if kind != Categorical.name), default="bernoulli",
        help="hidden units; gaussian, relu and drelu are real-valued (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--fixed-variance", action="store_true",
        help="of gaussian visible units: keep the variances of the data, in place of learning those given hidden units",
    )  # fmt: skip
    group.add_argument("-o", "--out", default="rbm.npz", metavar="FILE", help="the model (default %(default)s)")
    group.add_argument(
        "--epochs",
        type=whole(1),
        metavar="E",
        help="passes through the data (default 100, but at least 20,000 updates, fewer of large models, and at most "
        "50,000)",
    )
    group.add_argument(
        "--batch-size",
        type=whole(1),
        default=defaults.BATCH_SIZE,
        metavar="B",
        help="examples per update (default %(default)s)",
    )
    add_sample_weight(group)
    group.add_argument(
        "--dynamic-binarization",
        action="store_true",
        help="take real values as probabilities, from which states are drawn anew in each epoch",
    )
    group.add_argument(
        "--scale",
        type=real(0, strict=True),
        metavar="S",
        help="with --dynamic-binarization: the largest real value there could be (default: 1, 15, 16 or 255)",
    )
    group.add_argument(
        "--on-disk", action="store_true", help="leave the examples in their .npy file, and read them batch by batch"
    )
    add_data(group)
    add_common(group)


def _add_gradient(group) -> None:
    group.add_argument(
        "--method", choices=METHODS, default="pcd",
        help="negative phase (default %(default)s); discriminative: p(label | the rest) alone, and hybrid: with a "
        "generative part by pcd; both with --labels, and not centered",
    )  # fmt: skip
    group.add_argument(
        "--alpha", type=real(0), metavar="A", help="of hybrid: the weight of its generative part (default 0.01)"
    )
    group.add_argument(
        "--chains",
        type=whole(1),
        metavar="M",
        help=f"Gibbs chains (default {defaults.CHAINS}; with --method tempered {defaults.TEMPERED_CHAINS} at each "
        f"temperature)",
    )
    group.add_argument(
        "--sweeps",
        type=whole(1),
        default=1,
        metavar="K",
        help="sweeps of the chains in each update (default %(default)s)",
    )
    group.add_argument(
        "--betas",
        type=whole(1),
        default=defaults.BETAS,
        metavar="T",
        help="with --method tempered: temperatures (default %(default)s)",
    )
    group.add_argument("--uncentered", action="store_true", help="plain gradients, which are not centered")


def _add_update(group) -> None:
    group.add_argument(
        "--optimizer",
        choices=("sgd", "adam"),
        help="the update rule (default sgd, of --method discriminative and hybrid adam)",
    )
    group.add_argument(
        "--learning-rate",
        type=real(0, strict=True),
        metavar="R",
        help=f"learning rate at the start (default {defaults.RATE}, for adam {defaults.ADAM_RATE}, {LABELS_RATE} of "
        f"--method discriminative and hybrid; {defaults.REALS_RATE} where both layers are real, less than "
        f"{defaults.RATE} in large models where one is: see fastrbm.fit)",
    )
    group.add_argument(
        "--schedule",
        choices=SCHEDULES,
        default="linear",
        help="how the rate falls (default %(default)s)",
    )
    group.add_argument(
        "--final-rate",
        type=real(0),
        metavar="R",
        help="learning rate at the end (default 0, for inverse-time 1%% of the start)",
    )
    group.add_argument(
        "--warm-up",
        type=real(0, 1),
        default=0.0,
        metavar="F",
        help="part of the run in which the rate first rises, such as 0.1 (default 0)",
    )
    group.add_argument("--momentum", type=real(0, 0.9999), default=0.0, metavar="U", help="momentum of sgd (default 0)")
    group.add_argument("--nesterov", action="store_true", help="take Nesterov's momentum, which looks ahead")
    group.add_argument("--l1", type=real(0), default=0.0, metavar="L", help="pull of small weights to 0 (default 0)")
    group.add_argument(
        "--l1b", type=real(0), default=0.0, metavar="L",
        help="pull to 0 that grows with the sum of a hidden unit's weights, as protein models have it (default 0)",
    )  # fmt: skip
    group.add_argument(
        "--l2", type=real(0), metavar="L", help=f"decay of the weights (default {defaults.L2}, for adam 0)"
    )
    group.add_argument(
        "--max-norm",
        type=real(0, strict=True),
        metavar="N",
        help="largest norm of a unit's weights (default none)",
    )
    group.add_argument(
        "--average",
        type=real(0, 1),
        default=0.0,
        metavar="F",
        help="save the average model over the last part F of the updates (default 0: none)",
    )


def _add_measurements(group) -> None:
    group.add_argument(
        "--validation", type=str, metavar="FILE or PART",
        help="examples to measure on, not trained on: a file, or the part of DATA to hold out, such as 0.2, chosen "
        "by --seed",
    )  # fmt: skip
    group.add_argument(
        "--score", choices=tuple(SCORES), help="measure this on the validation examples during the training"
    )
    group.add_argument(
        "--score-every",
        type=whole(1),
        metavar="E",
        help="epochs between two scores (default: so many that scores take 0.5%% of the time; with --patience, at "
        "least 50 scores)",
    )
    group.add_argument(
        "--patience",
        type=whole(1),
        metavar="N",
        help="after N scores in a row without a new best one let the rate fall to 0 and stop; the best model is saved",
    )
    group.add_argument("--mixing", action="store_true", help="measure how slowly the chains move")
    group.add_argument("--history", metavar="FILE", help="write what was measured to this file, .csv or .jsonl")
    group.add_argument(
        "--report", metavar="FILE", help="a report on the result, as one .html file (requires matplotlib)"
    )
    add_shape(group)
    group.add_argument("--json", action="store_true", help="end with one JSON object, for scripts; words go to stderr")
    group.add_argument("--quiet", action="store_true", help="no progress")


def _add_run(group) -> None:
    group.add_argument(
        "--trajectory", metavar="FILE",
        help="write models of the training to this file (.npz), as a path from independent units to the result: so "
        "near "
        "to each other that chains go from one to the next ('fastrbm score --path')",
    )  # fmt: skip
    group.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="write to this file (.npz), now and then, what it takes to go on after an interruption",
    )
    group.add_argument(
        "--checkpoint-seconds",
        type=real(0),
        default=60.0,
        metavar="S",
        help="seconds between two checkpoints (default %(default)s)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint, if there is one, with the same settings (without --checkpoint: beside --out)",
    )
    add_mpi(group)
    group.add_argument(
        "--config", metavar="FILE", help="TOML file of settings; options on the command line override them"
    )
    group.add_argument("--print-config", action="store_true", help="print the settings as TOML, and stop")
