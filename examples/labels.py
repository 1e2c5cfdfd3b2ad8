"""Labels as visible units: one model of pictures and labels, which draws pictures of a label and labels pictures.

    python examples/labels.py [--images IMAGES --labels LABELS] [--epochs 300] [--hidden 128] [--picture labels.png]

Ten more visible units beside the pixels hold the label, one of them on. Clamped to a label, the pixels follow
p(pixels | label). The other way round, p(label | pixels) is in proportion to exp(-F(pixels, label)), so that the label
with the smallest free energy is the most likely one; no log Z is needed.

What to expect of scikit-learn's digits, in a few seconds: ten rows of samples that mostly look like their label, and
about 88 of 100 held-back digits classified correctly. (No more, since the model was trained to know pictures and labels
together, not to tell labels.) The pictures of MNIST or alike, by their IDX files, take ``--epochs 10 --hidden 500``.
The picture needs matplotlib, the default data scikit-learn.
"""

import argparse
import gzip

import numpy as np

import fastrbm as fr
import fastrbm.plot


def load(images, labels):
    """(pictures of 0 and 1, labels from 0 to 9)."""
    if images is None:
        from sklearn.datasets import load_digits

        return fr.datasets.load_digits(), load_digits().target  # the same digits, in the same order
    opened = gzip.open if labels.endswith(".gz") else open
    with opened(labels, "rb") as file:
        return fr.datasets.load(images), np.frombuffer(file.read(), np.uint8, offset=8)


def joint(pixels, labels):
    """Visible states: pixels, then ten units of which the label's is on."""
    return np.hstack([pixels, np.eye(10, dtype=np.uint8)[labels]])


def classify(rbm, pixels):
    """The most likely label of each picture, by free energies."""
    free_energies = [rbm.free_energy(joint(pixels, np.full(len(pixels), label))) for label in range(10)]
    return np.argmin(free_energies, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", help="IDX; by default the digits")
    parser.add_argument("--labels", help="IDX")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--picture", default="labels.png")
    options = parser.parse_args()
    if (options.images is None) != (options.labels is None):
        parser.error("--images and --labels go together")

    pixels, labels = load(options.images, options.labels)
    n_train = len(pixels) * 4 // 5
    V = joint(pixels, labels)
    rbm = fr.RBM.from_data(V[:n_train], options.hidden, seed=0)
    fr.fit(rbm, V[:n_train], epochs=options.epochs, batch_size=64, seed=0, progress=True)
    right = classify(rbm, pixels[n_train:]) == labels[n_train:]
    print(f"{100 * right.mean():.1f} % of {right.size:,} held-back pictures classified correctly")

    wanted = np.repeat(np.arange(10), 10)
    clamp = np.full((100, V.shape[1]), np.nan)  # NaN: free
    clamp[:, -10:] = np.eye(10)[wanted]
    drawn = rbm.sample(100, n_sweeps=1000, seed=0, clamp=clamp)[:, :-10]
    agree = classify(rbm, drawn) == wanted
    print(f"{100 * agree.mean():.0f} of 100 samples given a label are classified as that label")
    ax = fr.plot.samples(drawn, n=100)
    ax.set_title("samples given the label: rows 0 to 9")
    ax.figure.savefig(options.picture, dpi=110)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
