"""A scikit-learn pipeline with only the import changed: digits, an RBM, logistic regression.

    python bench/pipeline.py [--repeats 5] [--components 256] [--batches 10 128]

Trains the pipeline on 70 % of the 1,797 digits and tests it on the rest, with scikit-learn's BernoulliRBM and with
fastrbm's, everything else alike: the data as real values (0 to 1) and cut to binary, batches of 10 (the default of
both) and of 128. Prints the mean accuracy over the splits, and the median time of training the RBM, alone: in a row,
five times a split; as often after pauses of 0.2 s each, in which a CPU may lose what its caches held; and the very
first time in a process, as a script has it that is run once.
The two classes take turns, each in a process of its own, with the threads that each would take by itself.
"""

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import time

CLASSES = {"scikit-learn": "sklearn.neural_network", "fastrbm": "fastrbm.sklearn"}
PAUSE = 0.2  # seconds; also before the first training is timed, for the classifier's threads to stop spinning


def run(module, kind, batch, split, components):
    """(accuracy, seconds of training the RBM in a row, after pauses, the first time); this is the script of which only
    the import changes."""
    BernoulliRBM = importlib.import_module(module).BernoulliRBM
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import Pipeline

    X, y = load_digits(return_X_y=True)
    X = X / 16.0 if kind == "gray" else (X > 7.5).astype(float)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=split)
    rbm = BernoulliRBM(components, learning_rate=0.06, batch_size=batch, n_iter=10, random_state=split)
    first = seconds(rbm, X_train, PAUSE)
    pipeline = Pipeline([("rbm", rbm), ("logistic", LogisticRegression(C=100.0, max_iter=1000))])
    accuracy = pipeline.fit(X_train, y_train).score(X_test, y_test)
    time.sleep(PAUSE)
    rbm.fit(X_train)
    times = [statistics.median(seconds(rbm, X_train, pause) for _ in range(5)) for pause in (0.0, PAUSE)]
    return accuracy, *times, first


def seconds(rbm, X, pause):
    """Of one training."""
    time.sleep(pause)
    started = time.perf_counter()
    rbm.fit(X)
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--components", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[10, 128])
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, kind, batch, split = options.worker
        print(json.dumps(run(CLASSES[name], kind, int(batch), int(split), options.components)))
        return
    print("                             accuracy    in a row         after pauses     first time")
    print("data    batch  class                     ms    ratio       ms    ratio       ms    ratio")
    for kind, batch in [(kind, batch) for batch in options.batches for kind in ("gray", "binary")]:
        results = {name: [] for name in CLASSES}
        for split in range(options.repeats):
            for name in CLASSES:
                command = [sys.executable, __file__, "--components", str(options.components)]
                command += ["--worker", name, kind, str(batch), str(split)]
                results[name].append(json.loads(subprocess.check_output(command).splitlines()[-1]))
        theirs = [statistics.median(row[k] for row in results["scikit-learn"]) for k in (1, 2, 3)]
        for name, rows in results.items():
            print(f"{kind:7} {batch:5}  {name:12} {statistics.mean(row[0] for row in rows):10.4f}", end="")
            for k in (1, 2, 3):
                median = statistics.median(row[k] for row in rows)
                print(f" {median * 1e3:8.1f} {theirs[k - 1] / median:7.1f}", end="")
            print(flush=True)


if __name__ == "__main__":
    main()
