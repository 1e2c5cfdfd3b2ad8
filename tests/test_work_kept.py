"""Work is never lost: not by signals, errors, full disks, closed streams, a second process or another folder."""

import errno
import inspect
import io
import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from test_checkpoint import Stop, assert_same_files, same_history, same_model
from test_cli import fastrbm, measured

import fastrbm as fr
from fastrbm import cli
from fastrbm._core import output as _output
from fastrbm._core import progress, signals, synonyms
from fastrbm.cli import sample
from fastrbm.training import checkpoint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and files of POSIX")
X = fr.datasets.load_digits()[:500]
UPDATES = 4  # an epoch of 500 examples


def train(path=None, epochs=6, **options):
    rbm = fr.RBM.from_data(X, 5, seed=0)
    arguments = {"gradient": fr.gradient.PCD(20), "metrics": Each(), "checkpoint": path} | options
    return rbm, fr.fit(rbm, X, epochs=epochs, **arguments)


class Each:
    """A metric at every epoch, so that the history has a row of each."""

    columns, every = ("each",), 1

    def __init__(self, act=None):
        self.act = act

    def __call__(self, snapshot):
        if self.act:
            self.act(snapshot.epoch)
        return {"each": float(snapshot.epoch)}

    def __repr__(self):
        return "Each()"


def at(epoch, act):
    """A callback that acts at the end of an epoch."""
    return lambda state: act() if state.epoch == epoch else None


def send(number, times=1):
    def act(*_):
        for _ in range(times):
            os.kill(os.getpid(), number)
            time.sleep(0.01)

    return act


def raising(error):
    def act(*_):
        raise error

    return act


# ---------------------------------------------------------------- exceptions carry the history


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), ValueError("mine"), OSError(5, "x"), Stop()])
@pytest.mark.parametrize("kept", [False, True])
def test_what_ends_a_training_has_its_history(tmp_path, error, kept):
    with pytest.raises(type(error)) as caught:
        train(tmp_path / "c.npz" if kept else None, callbacks=at(4, raising(error)))
    assert caught.value is error and caught.value.history["epoch"].tolist() == [1, 2, 3, 4]


def test_a_diverged_training_has_its_history():
    optimizer = fr.optim.SGD(1e28, momentum=0.99)
    with pytest.raises(FloatingPointError) as caught:
        train(optimizer=optimizer, epochs=400)
    assert len(caught.value.history) > 0 and caught.value.history.columns[0] == "epoch"


def test_an_exception_that_takes_no_attributes_comes_through():
    class Closed(Exception):
        def __setattr__(self, name, value):
            if name == "history":
                raise AttributeError(name)
            super().__setattr__(name, value)

    with pytest.raises(Closed):
        train(callbacks=raising(Closed()))


# ---------------------------------------------------------------- signals


ENDS = [(signal.SIGTERM, SystemExit, 143), (signal.SIGHUP, SystemExit, 129), (signal.SIGINT, KeyboardInterrupt, None)]


@pytest.fixture
def default_handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number, kind, code", ENDS)
@pytest.mark.parametrize("epoch", [3, 6])
def test_a_signal_leaves_a_checkpoint(tmp_path, default_handlers, monkeypatch, number, kind, code, epoch):
    """Sent twice, as wrappers do, however much later here. In the last epoch, too."""
    monkeypatch.setattr(signals, "_ECHO", math.inf)
    path = tmp_path / "c.npz"
    with pytest.raises(kind) as caught:
        train(path, callbacks=at(epoch, send(number, 2)), checkpoint_seconds=1e9)
    assert code is None or caught.value.code == pickle.loads(pickle.dumps(caught.value)).code == code
    assert caught.value.history["epoch"].tolist() == list(range(1, epoch + 1))
    assert {n: signal.getsignal(n) for n in default_handlers} == default_handlers
    assert np.load(path)["training/update"] == epoch * UPDATES
    rbm, history = train(path, resume=True)
    whole, expected = train()
    assert same_model(rbm, whole) and same_history(history, expected)


def test_a_second_ctrl_c_does_not_wait(tmp_path, default_handlers, monkeypatch):
    monkeypatch.setattr(signals, "_ECHO", 0.0)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "c.npz", callbacks=[at(2, send(signal.SIGINT, 2))], checkpoint_seconds=1e9)
    assert not (tmp_path / "c.npz").exists()


@pytest.mark.parametrize("number, kind, code", ENDS)
@pytest.mark.parametrize("epoch", [2, 6])
def test_a_signal_ends_a_long_measurement(tmp_path, default_handlers, number, kind, code, epoch):
    """Annealing may take longer than SLURM waits. Whoever resumes takes the measurement anew: the same history."""
    path, waited_for = tmp_path / "c.npz", []

    def long(now):
        if now == epoch:
            send(number)()
            for _ in range(6000):
                time.sleep(0.01)
            waited_for.append(now)

    with pytest.raises(kind) as caught:
        train(path, metrics=Each(long), checkpoint_seconds=1e9)
    assert not waited_for and len(caught.value.history) == epoch - 1
    resumed = []
    rbm, history = train(path, resume=True, callbacks=lambda state: resumed.append(state.epoch))
    whole, expected = train(tmp_path / "whole.npz")
    assert resumed == list(range(epoch, 7)) and same_model(rbm, whole) and same_history(history, expected)
    assert_same_files(path, tmp_path / "whole.npz")


def test_a_measurement_that_was_broken_off_and_is_not_due_any_more(tmp_path, default_handlers):
    """The last epoch's, of a training that is then prolonged: later checkpoints know nothing of it."""
    path = tmp_path / "c.npz"

    def fit(to, epochs, in_metric=None, act=None):
        loader, rbm, metric = Loader(), fr.RBM.from_data(X, 5, seed=0), Each(in_metric)
        loader.act, loader.at, metric.every = act, UPDATES - 2, 4
        history = fr.fit(
            rbm, loader, fr.gradient.PCD(20), fr.optim.SGD(0.1), epochs, metrics=metric, checkpoint=to,
            checkpoint_seconds=1e9, resume=True,
        )  # fmt: skip
        return rbm, history

    with pytest.raises(SystemExit):
        fit(path, 3, in_metric=send(signal.SIGTERM))
    assert "training/unmeasured" in np.load(path)
    with pytest.raises(KeyboardInterrupt):
        fit(path, 6, act=send(signal.SIGINT))
    assert "training/unmeasured" not in np.load(path) and np.load(path)["training/update"] == 4 * UPDATES - 1
    rbm, history = fit(path, 6)
    whole, expected = fit(tmp_path / "whole.npz", 6)
    assert same_model(rbm, whole) and same_history(history, expected)


def test_a_signal_before_a_measurement_does_not_wait_for_it(tmp_path, default_handlers):
    """The last update of an epoch is followed by what may take long."""
    path, batches, measured = tmp_path / "c.npz", Loader(), []
    batches.act = send(signal.SIGTERM)
    with pytest.raises(SystemExit):
        fr.fit(
            fr.RBM.from_data(X, 5), batches, fr.gradient.PCD(20), epochs=3, checkpoint=path,
            metrics=Each(measured.append),
        )  # fmt: skip
    assert measured == [] and np.load(path)["training/update"] == UPDATES


class Loader:
    """Batches; acts as one of them is given, the last by default."""

    act, at = None, UPDATES - 1

    def __len__(self):
        return UPDATES

    def __iter__(self):
        for k in range(UPDATES):
            if k == self.at and self.act:
                self.act()
            yield X[k::UPDATES]


def test_handlers_of_the_program_and_trainings_without_checkpoints_are_left_alone(tmp_path, default_handlers):
    seen = []
    train(callbacks=lambda state: seen.append(signal.getsignal(signal.SIGTERM)))
    assert set(seen) == {signal.SIG_DFL}
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    _, history = train(tmp_path / "c.npz", callbacks=at(2, send(signal.SIGTERM)))
    assert seen[-1] == signal.SIGTERM and len(history) == 6


def test_a_forked_child_is_ended_as_ever(tmp_path, default_handlers):
    """Such as a worker of a data loader, which its parent terminates: it must not wait for a training's end."""
    statuses = []

    def fork():
        reading, writing = os.pipe()
        ending, end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(end)
            os.write(writing, b"x")
            os.read(ending, 1)  # until the signal is sent: what comes back from here has outlived it
            os._exit(0)
        os.read(reading, 1)  # before that, Python's own start of a child drops signals
        os.kill(child, signal.SIGTERM)
        os.close(end)
        statuses.append(os.waitpid(child, 0)[1])
        for descriptor in (reading, writing, ending):
            os.close(descriptor)

    _, history = train(tmp_path / "c.npz", callbacks=at(2, fork))
    assert os.WTERMSIG(statuses[0]) == signal.SIGTERM and len(history) == 6
    with signals.Signals(held=False):
        fork()
    assert os.WTERMSIG(statuses[1]) == signal.SIGTERM


def test_a_handler_that_saves_the_model_while_checkpoints_are_written(tmp_path):
    calls, rbm, path = [], fr.RBM.from_data(X, 5, seed=0), tmp_path / "c.npz"

    def save(number, frame):
        calls.append(number)
        rbm.save(tmp_path / "m.npz")
        rbm.save(path)
        signal.setitimer(signal.ITIMER_REAL, 0.002)  # once, so that slow disks do not nest it without end

    def begin(state):
        if state.epoch == 1:
            signal.setitimer(signal.ITIMER_REAL, 0.002)
        return state.epoch >= 4 and len(calls) >= 3  # then it ends, however fast the disk is

    before = signal.signal(signal.SIGALRM, save)
    try:
        fr.fit(rbm, X, fr.gradient.PCD(20), epochs=10**6, checkpoint=path, checkpoint_seconds=0.0, callbacks=begin)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert same_model(fr.load(path), rbm) and fr.load(tmp_path / "m.npz").n_hidden == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.npz", "m.npz"]


# ---------------------------------------------------------------- checkpoints that cannot be written, or not by two


def test_a_relative_checkpoint_stays_where_it_was_asked_for(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    rbm, _ = train("c.npz", callbacks=at(1, lambda: os.chdir(tmp_path / "b")), checkpoint_seconds=0.0)
    assert same_model(fr.load(tmp_path / "a" / "c.npz"), rbm)
    assert list((tmp_path / "b").iterdir()) == [] and len(list((tmp_path / "a").iterdir())) == 1


def test_a_checkpoint_through_a_link(tmp_path):
    link = tmp_path / "c.npz"
    link.symlink_to("real.npz")
    train(link, epochs=3)
    rbm, history = train(link, resume=True, epochs=6)
    assert link.is_symlink() and len(history) == 6 and same_model(fr.load(tmp_path / "real.npz"), rbm)


def test_a_folder_that_is_removed_costs_no_training(tmp_path):
    whole, expected = train()
    (tmp_path / "d").mkdir()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rbm, history = train(
            tmp_path / "d" / "c.npz", callbacks=at(2, lambda: shutil.rmtree(tmp_path / "d")), checkpoint_seconds=0.0
        )
    assert same_model(rbm, whole) and same_history(history, expected)
    reported = [warning.message for warning in caught if isinstance(warning.message, checkpoint.CheckpointWarning)]
    assert [message.last for message in reported[-2:]] == [False, True]
    assert all(str(tmp_path / "d" / "c.npz") in str(message) for message in reported)
    assert "this was the last one" in str(reported[-1])


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), MemoryError("much"), TypeError("no number")])
def test_the_last_checkpoint_may_fail(tmp_path, monkeypatch, error):
    whole, expected = train()
    monkeypatch.setattr(checkpoint, "write", raising(error))
    with pytest.warns(checkpoint.CheckpointWarning, match="this was the last one"):
        rbm, history = train(tmp_path / "c.npz")
    assert same_model(rbm, whole) and same_history(history, expected)


def test_a_signal_and_a_full_disk(tmp_path, default_handlers, monkeypatch):
    monkeypatch.setattr(checkpoint, "write", raising(OSError(errno.ENOSPC, "full")))
    with pytest.warns(checkpoint.CheckpointWarning), pytest.raises(SystemExit) as caught:
        train(tmp_path / "c.npz", callbacks=at(3, send(signal.SIGTERM)))
    assert caught.value.code == 143 and len(caught.value.history) == 3


def test_a_checkpoint_is_tried_before_the_training(tmp_path):
    os.mkfifo(tmp_path / "fifo.npz")
    with pytest.raises(OSError, match="not a regular file"):
        train(tmp_path / "fifo.npz", callbacks=raising(AssertionError("it started")))


def test_two_trainings_do_not_share_a_checkpoint(tmp_path):
    """Whether in one thread, two, or two processes; and the second leaves alone what the first is writing."""
    path, refused = tmp_path / "c.npz", []

    def second():
        for resume in (False, True):
            with pytest.raises(BlockingIOError, match="another training that is still running"):
                train(path, resume=resume)
            refused.append(resume)
        program = "import sys, fastrbm as fr\nX = fr.datasets.load_digits()\n"
        program += "fr.fit(fr.RBM.from_data(X, 5), X, epochs=1, checkpoint=sys.argv[1], resume=True)"
        done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
        assert done.returncode == 1 and "BlockingIOError" in done.stderr and str(path) in done.stderr

    rbm, _ = train(path, callbacks=at(2, second), checkpoint_seconds=0.0)
    assert refused == [False, True] and same_model(fr.load(path), rbm)
    train(path, resume=True)  # it is free again
    with pytest.raises(FileExistsError):
        train(path)
    train(path, resume=True)  # after an error, too
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]


# ---------------------------------------------------------------- progress


class Broken(io.StringIO):
    """A stream that fails after so many writes."""

    def __init__(self, left, error):
        super().__init__()
        self.left, self.error = left, error

    def write(self, text):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().write(text)


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "full": lambda: open("/dev/full", "w"),
    "broken pipe": lambda: Broken(1, BrokenPipeError(errno.EPIPE, "Broken pipe")),
    "its own error": lambda: Broken(0, RuntimeError("mine")),
    "no stream": lambda: object(),
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("terminal", [False, True])
def test_a_progress_line_that_cannot_be_written_costs_nothing(monkeypatch, stream, terminal):
    whole, expected = train()
    broken = STREAMS[stream]()
    if terminal and isinstance(broken, io.StringIO):
        broken.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", broken)
    try:
        rbm, history = train(progress=True)
        z = fr.likelihood.bidirectional(rbm, n_betas=5, progress=True)
    finally:
        monkeypatch.undo()
        if stream == "full":
            with pytest.raises(OSError):
                broken.close()
    assert same_model(rbm, whole) and same_history(history, expected) and np.isfinite(z.value)


ROW = {"log_likelihood": -17.25, "free_energy_gap": 1.5, "shuffled_gap": 41.5, "reconstruction_error": 0.1234}


@pytest.mark.parametrize("columns", [30, 40, 50, 80, 81, 100, 120, 200])
def test_a_narrow_terminal_drops_whole_fields_and_the_score_last(monkeypatch, columns):
    terminal = Broken(10**9, None)
    terminal.isatty, terminal.fileno = lambda: True, lambda: 2
    clock = iter((0.0, 0.25))  # half of 100,000 updates in a quarter of a second
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(progress.os, "get_terminal_size", lambda _: os.terminal_size((columns, 20)))
    history = fr.History()
    history.record(**ROW)
    line = progress.ProgressLine(1000, 100_000, shown=list(ROW), stream=terminal)
    line.measurement(500, 50_000, history)
    shown = terminal.getvalue().lstrip("\r")
    fields = shown.split("  ")
    assert len(shown) < columns and fields[0] == "epoch 500/1000"
    known = ["log-likelihood -17.25", "free-energy gap 1.50", "shuffled gap 41.50", "reconstruction error 0.1234"]
    assert all(field in known or field.endswith((" updates/s", " left")) for field in fields[1:])
    assert any(field.endswith(" left") for field in fields) == (columns != 40)
    assert (fields[1] == known[0]) == (columns >= 40)
    if columns == 80:
        assert fields == ["epoch 500/1000", known[0], "0:00 left", known[1]]


def test_a_log_has_a_line_every_ten_seconds(monkeypatch):
    """By the clock, whatever the length of the run; and one at the end."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    log, history = io.StringIO(), fr.History()
    line = progress.ProgressLine(100, 1000, shown=list(ROW), stream=log)
    for update in range(1, 1001):
        now[0] += 0.125
        epoch = -(-update // 10)
        line.update(epoch, update)
        if update % 40 == 0:
            history.record(**ROW)
            line.measurement(epoch, update, history)
    line.close()
    epochs = [int(text.split()[1].split("/")[0]) for text in log.getvalue().splitlines()]
    assert epochs[0] == 4 and epochs[-1] == 100 and len(epochs) == 13  # after 5, 15, ... 125 s
    assert "log-likelihood -17.25" in log.getvalue().splitlines()[-1]


# ---------------------------------------------------------------- the command line

FAST = ["--hidden", "6", "--epochs", "3"]
ENDLESS = ["train", "digits", "--hidden", "6", "--epochs", "1000000"]


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "fastrbm", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, **options,
    )  # fmt: skip


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_to_the_command_leaves_model_and_history(tmp_path, number, code):
    out, table, path = tmp_path / "m.npz", tmp_path / "h.csv", tmp_path / "p.npz"
    process = start(*ENDLESS, "--out", out, "--history", table, "--trajectory", path)
    measured(process)
    process.send_signal(number)
    process.send_signal(number)
    said, err = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in err
    assert err.endswith(f"fastrbm: ended by {signal.Signals(number).name}\n")
    assert f"broken off; the model of the last complete update is in {out}" in said
    assert fr.load(out).n_hidden == 6 and len(fr.History.load(table)) > 0
    kept = ["p.npz"] if " of the training, on a path" in said else []  # what there was at that moment
    assert not kept or fr.load_path(path).rbm.n_hidden == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h.csv", "m.npz", *kept]


def test_a_second_command_at_a_checkpoint_is_refused(tmp_path):
    out, run = tmp_path / "m.npz", tmp_path / "run.npz"
    first = start(*ENDLESS, "--out", out, "--checkpoint", run, "--checkpoint-seconds", 0.1)
    try:
        measured(first)
        second = start(*ENDLESS, "--out", tmp_path / "other.npz", "--checkpoint", run, "--resume")
        said, err = second.communicate(timeout=60)
        assert second.returncode == 2 and err == (
            f"fastrbm: {run}: another training that is still running keeps its checkpoints here\n"
        )
        first.terminate()
        first.communicate(timeout=60)
    finally:
        first.kill()
    assert first.returncode == 143 and same_model(fr.load(out), fr.load(run))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.npz", "run.npz"]


def test_streams_that_cannot_be_written_cost_no_model(tmp_path):
    """Each training in a folder and a process of its own; they run at the same time."""
    command = f"{sys.executable} -m fastrbm train digits {' '.join(FAST)} --out m.npz --history h.csv"
    runs = []
    for streams, code, words in (
        ("2>/dev/full", 0, ""),
        ("2>&-", 0, ""),
        (">&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        (">/dev/full", 2, "standard output cannot be written: No space left on device"),
        (">/dev/full 2>/dev/full", 2, ""),
        ("| true", 0, ""),
    ):
        folder = tmp_path / str(len(runs))
        folder.mkdir()
        script = ["bash", "-c", f"set -o pipefail; {command} {streams}"]
        run = subprocess.Popen(script, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        runs.append((run, folder, streams, code, words))
    ended = [run.communicate() for run, *_ in runs]
    for (run, folder, streams, code, words), (_, err) in zip(runs, ended, strict=True):
        assert run.returncode == code and words in err and "Traceback" not in err, streams
        assert err.count("cannot be written") <= 1, streams  # it is reported once
        assert "Exception ignored" not in err, streams
        assert fr.load(folder / "m.npz").n_hidden == 6 and len(fr.History.load(folder / "h.csv")) == 3, streams
        assert sorted(p.name for p in folder.iterdir()) == ["h.csv", "m.npz"], streams


def test_a_reader_that_has_seen_enough(tmp_path):
    for arguments in ("info", "--help"):
        script = f"set -o pipefail; {sys.executable} -m fastrbm {arguments} | head -1"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1


def fails_for(monkeypatch, *names):
    """Have files of these names not written at the end, though they could be tried before."""
    original = _output.replace_file

    def replace_file(path, content):
        if os.path.basename(path) in names:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        original(path, content)

    for module in (_output, fr.training.history, sample):
        monkeypatch.setattr(module, "replace_file", replace_file)


def test_what_cannot_be_written_goes_elsewhere_and_the_message_says_where(tmp_path, capsys, monkeypatch):
    fails_for(monkeypatch, "m.npz", "h.csv", "run.npz", "s.npy")
    out, table, run = tmp_path / "m.npz", tmp_path / "h.csv", tmp_path / "run.npz"
    arguments = ["train", "digits", *FAST, "--quiet", "--out", out, "--history", table, "--checkpoint", run]
    code, said, err = fastrbm(capsys, *arguments)
    lines = err.splitlines()
    (model,) = tmp_path.glob("m-*.npz")
    (history,) = tmp_path.glob("h-*.csv")
    assert code == 2 and f"Saved {model}" in said and len(lines) == 3
    assert lines[0] == f"fastrbm: no checkpoint could be written: [Errno 28] No space left on device: '{run}'; " + (
        "this was the last one"
    )
    for line, option, path, place in ((lines[1], "--out", out, model), (lines[2], "--history", table, history)):
        assert line == f"fastrbm: {option} {path} cannot be written: No space left on device; it is in {place} instead"
    assert fr.load(model).n_hidden == 6 and len(fr.History.load(history)) == 3
    code, said, err = fastrbm(capsys, "sample", model, "-n", 3, "--sweeps", 2, "--out", tmp_path / "s.npy", "--json")
    (samples,) = tmp_path.glob("s-*.npy")
    assert code == 2 and json.loads(said)["out"] == str(samples) and f"it is in {samples} instead" in err
    assert np.array_equal(np.load(samples), fr.load(model).sample(3, 2))


def test_a_folder_that_is_gone(tmp_path, monkeypatch):
    """Then the current folder, or that for temporary files."""
    monkeypatch.chdir(tmp_path)
    output = cli.files.Output("--out", "no/m.npz", tmp_path / "no" / "m.npz")
    where = output.keep(fr.RBM.from_data(X, 5).save)
    assert os.path.dirname(where) == "" and fr.load(where).n_hidden == 5
    assert output.keep(raising(OSError(errno.EIO, "Input/output error"))) is None
    assert "nor could another place be found for it" in cli.words.failures[-1]


def test_a_report_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    fails_for(monkeypatch, "r.html")
    monkeypatch.setattr(cli.report, "report", lambda rbm, X, path, **more: _output.replace_file(path, b"a page"))
    page = tmp_path / "r.html"
    arguments = ["train", "digits", *FAST, "--quiet", "--out", tmp_path / "m.npz", "--report", page, "--json"]
    code, said, err = fastrbm(capsys, *arguments)
    (other,) = tmp_path.glob("r-*.html")
    assert code == 2 and f"--report {page} cannot be written" in err and other.read_bytes() == b"a page"
    assert json.loads(said)["report"] == str(other)


def test_a_report_is_tried_before_the_work(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from fastrbm.report import build, report

    monkeypatch.setattr(build, "likelihood_score", raising(AssertionError("it started")))

    with pytest.raises(FileNotFoundError, match="no.r.html"):
        report(fr.RBM.from_data(X, 5), X, tmp_path / "no" / "r.html")


@pytest.mark.parametrize("error", [ValueError("bad"), OSError(errno.EIO, "Input/output error"), MemoryError("much")])
def test_an_error_in_the_middle_leaves_model_and_history(tmp_path, capsys, monkeypatch, error):
    """Such as a bad value, or a disk that fails, far down in a file that is read batch by batch."""
    failing = Each(lambda epoch: raising(error)() if epoch == 2 else None)
    monkeypatch.setattr(cli.train, "_metrics", lambda options: [failing])
    out, table = tmp_path / "m.npz", tmp_path / "h.csv"
    code, said, err = fastrbm(capsys, "train", "digits", *FAST, "--quiet", "--out", out, "--history", table)
    assert code == 2 and err.startswith("fastrbm: ") and err.count("\n") == 1
    assert f"broken off; the model of the last complete update is in {out}" in said
    assert fr.load(out).n_hidden == 6 and fr.History.load(table)["epoch"].tolist() == [1]


def test_outputs_that_are_one_file_by_links_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "x.npz"
    np.savez(data, x=X)
    content = data.read_bytes()
    os.link(data, tmp_path / "hard.npz")
    (tmp_path / "soft.npz").symlink_to(data)
    (tmp_path / "early.npz").symlink_to("m.npz")  # of a file that is not there yet
    for options in (
        ["--out", "hard.npz"],
        ["--out", "soft.npz"],
        ["--out", "./x.npz"],
        ["--out", "m.npz", "--checkpoint", "early.npz"],
        ["--out", "m.npz", "--checkpoint", "./m.npz"],
    ):
        code, _, err = fastrbm(capsys, "train", data, *FAST, "--quiet", *options)
        assert code == 2 and "is also a file to read from, or to write something else to" in err
    assert data.read_bytes() == content and not (tmp_path / "m.npz").exists()


def test_outputs_that_cannot_be_written_are_refused_before_the_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli.train, "fit", raising(AssertionError("it started")))
    os.mkfifo(tmp_path / "fifo.npz")
    (tmp_path / "loop.npz").symlink_to("loop.npz")
    for name, words in (("fifo.npz", "not a regular file"), ("loop.npz", "Too many levels of symbolic links")):
        for option in ("--out", "--checkpoint"):
            arguments = [option, tmp_path / name] + (["--out", tmp_path / "m.npz"] if option != "--out" else [])
            code, _, err = fastrbm(capsys, "train", "digits", *FAST, *arguments)
            assert (
                code == 2
                and err.startswith(f"fastrbm: {option} {tmp_path / name} cannot be written: ")
                and words in err
            )


@pytest.mark.parametrize(
    "given, meant",
    [
        (["train", "digits", "--lr", "0.1"], "--learning-rate"),
        (["train", "digits", "--lr=0.1"], "--learning-rate"),
        (["train", "digits", "--learning_rate", "0.1"], "--learning-rate"),
        (["train", "digits", "--n_hidden", "3"], "--hidden"),
        (["train", "digits", "--hidden-units", "3"], "--hidden"),
        (["train", "digits", "--batch_size", "3"], "--batch-size"),
        (["train", "digits", "--minibatch", "3"], "--batch-size"),
        (["train", "digits", "--iterations", "3"], "--epochs"),
        (["train", "digits", "--output", "m.npz"], "--out"),
        (["train", "digits", "--model", "m.npz"], "--out"),
        (["train", "digits", "--random-state", "3"], "--seed"),
        (["train", "digits", "--weight-decay", "3"], "--l2"),
        (["train", "digits", "--validation-split", "0.2"], "--validation"),
        (["train", "digits", "--test-size=0.2"], "--validation"),
        (["sample", "m.npz", "--out", "s.npy", "--samples", "3"], "-n"),
        (["sample", "m.npz", "--out", "s.npy", "--condition", "a=1"], "--clamp"),
        (["sample", "m.npz", "--out", "s.npy", "--temperature", "2"], "--beta"),
        (["fit", "digits"], "train"),
        (["evaluate", "m.npz", "digits"], "score"),
        (["smaple", "m.npz"], "sample"),
        (["help"], "--help"),
    ],
)
def test_what_options_and_commands_are_called_elsewhere(capsys, given, meant):
    code, out, err = fastrbm(capsys, *given)
    assert code == 2 and out == "" and err.count("\n") == 1 and f"did you mean {meant!r}?" in err


def test_every_synonym_leads_to_an_option_or_its_value_or_a_command_or_an_argument():
    parser = cli.build_parser()
    parsers = parser._subparsers._group_actions[0].choices
    options = {name.lstrip("-") for p in (parser, *parsers.values()) for name in p._option_string_actions}
    options |= {value for p in parsers.values() for action in p._actions for value in action.choices or ()}
    functions = fr.fit, fr.EarlyStopping, fr.datasets.load, fr.likelihood.score
    arguments = {name for function in functions for name in inspect.signature(function).parameters}
    known = {synonyms._plain(name) for name in (*options, *parsers, *arguments)}
    for word, meant in synonyms._SYNONYMS.items():
        assert set(meant) <= known and word == synonyms._plain(word), word


def test_the_command_alone_shows_the_help(capsys):
    code, out, err = fastrbm(capsys)
    assert code == 2 and out == "" and err.startswith("usage: fastrbm") and "exit codes" in err and "143" in err


def test_messages_are_one_line(capsys, tmp_path):
    for arguments in (
        ["train", "a\nb"],
        ["train", "digits", "x\ny"],
        ["train", "digits", "--hidden", "1\n2"],
        ["a\nb"],
    ):
        code, _, err = fastrbm(capsys, *arguments, *(["--out", tmp_path / "m.npz"] if arguments[0] == "train" else []))
        assert code == 2 and err.startswith("fastrbm") and err.count("\n") == 1


def test_a_name_that_the_terminal_cannot_show(tmp_path):
    name = os.fsdecode(b"m\xff.npz")
    process = start(
        "train", "digits", *FAST, "--quiet", "--out", name, cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    said, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err == "" and "Saved m\\udcff.npz" in said
    assert fr.load(tmp_path / name).n_hidden == 6


def test_many_threads_are_as_many_as_there_are_cpus():
    """OpenMP would end the process where the system does not allow them."""
    options = cli.build_parser().parse_args(["train", "digits", "--threads", "1024"])
    assert options.threads == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert cli.build_parser().parse_args(["train", "digits", "--threads", "1"]).threads == 1
