"""Labels: p(y | x) against enumeration, its gradient against finite differences, hybrid training, absent labels."""

import numpy as np
import pytest
from helpers import modules

import fastrbm as fr
from fastrbm.gradient.labels import LabelPhase
from fastrbm.sampling import labels as sampling_labels
from fastrbm.sampling.columns import LabelColumn
from fastrbm.sampling.labels import drawn_labels, label_sums
from fastrbm.states.bits import CodeMatrix

u = fr.units
LAYERS = {
    "last": ([u.Bernoulli(9), u.Categorical(1, 4)], -1),
    "first": ([u.Categorical(2, [3, 2]), u.Spin(5), u.Bernoulli(3)], 0),
    "middle": ([u.Bernoulli(3), u.Categorical(3, [2, 5, 3]), u.Spin(4)], 4),
    "bit": ([u.Bernoulli(10)], 8),
    "spin": ([u.Spin(9)], 3),
    "spin beside sites": ([u.Categorical(2, 3), u.Spin(5)], -2),
}


def on_grid(rng, shape, scale):
    """Parameters that the kernels round to nothing else."""
    return np.round(rng.normal(0, scale, shape) * 256) / 256


def random_model(visible, n_hidden, hidden="bernoulli", scale=0.5, seed=0):
    rng, n = np.random.default_rng(seed), sum(segment.n for segment in visible)
    weights, biases = on_grid(rng, (n, n_hidden), scale), (on_grid(rng, n, scale), on_grid(rng, n_hidden, scale))
    return fr.RBM(weights, *biases, visible=visible, hidden=hidden)


def random_parts(rbm, n, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, n) for size in rbm.visible.n_states_of_columns], axis=1).astype(np.uint8)


def log_p_by_enumeration(rbm, parts, column, parameters=None):
    """log p(y | x) from the definition: of each label, log sum over h of exp(-E), unit by unit; float64 (n, states)."""
    W, b, c = parameters or [np.asarray(a, float) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias)]
    values = (0, 1) if rbm.hidden.name == "bernoulli" else (-1, 1)
    terms = []
    for state in range(rbm.visible.n_states_of_columns[column]):
        changed = parts.copy()
        changed[:, column] = state
        v = rbm.visible.unit_values(changed)
        field = v @ W + c
        terms.append(v @ b + np.logaddexp(values[0] * field, values[1] * field).sum(axis=1))
    terms = np.stack(terms, axis=1)
    terms -= terms.max(axis=1, keepdims=True)
    return terms - np.log(np.exp(terms).sum(axis=1, keepdims=True))


def same(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("weights", "visible_bias", "hidden_bias"))


# ------------------------------------------------------------ p(y | x)


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("layer", LAYERS)
def test_probabilities_are_those_of_enumeration(layer, hidden):
    visible, column = LAYERS[layer]
    rbm = random_model(visible, 70, hidden, 1.0)
    parts = random_parts(rbm, 100)
    X, at = rbm.visible.values(parts), column % rbm.visible.n_columns
    p = fr.likelihood.label_probabilities(rbm, X, column)
    assert p.dtype == np.float64 and np.allclose(p.sum(axis=1), 1.0, rtol=0, atol=1e-13)
    assert np.allclose(p, np.exp(log_p_by_enumeration(rbm, parts, at)), rtol=1e-11, atol=1e-14)
    assert np.array_equal(p, fr.likelihood.label_probabilities(rbm, np.delete(X, at, axis=1), column))
    unknown = X.astype(float)
    unknown[:, at] = np.nan
    assert np.array_equal(p, fr.likelihood.label_probabilities(rbm, unknown, column, n_threads=1))
    assert np.array_equal(p, fr.likelihood.label_probabilities(rbm, rbm._states(X, "X"), column, n_threads=2))
    log_p = fr.likelihood.label_probabilities(rbm, X, column, log=True)
    own = log_p[np.arange(100), parts[:, at]]
    assert np.allclose(own, fr.likelihood.conditional(rbm, X, [at]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n_labels", [2, 10, 65, 255])
@pytest.mark.parametrize("first", [False, True])
def test_any_number_of_labels(n_labels, first):
    label = u.Categorical(1, n_labels)
    rbm = random_model([label, u.Bernoulli(9)] if first else [u.Bernoulli(9), label], 33, scale=0.8)
    parts, column = random_parts(rbm, 40), 0 if first else 9
    p = fr.likelihood.label_probabilities(rbm, parts, column)
    assert p.shape == (40, n_labels)
    assert np.allclose(p, np.exp(log_p_by_enumeration(rbm, parts, column)), rtol=1e-11, atol=1e-14)


def test_far_too_large_weights():
    """Where a factor would leave float64's range, and where one label is out of the question."""
    for scale in (60.0, 400.0):
        rbm = random_model([u.Bernoulli(9), u.Categorical(1, 3)], 20, scale=scale)
        parts = random_parts(rbm, 50)
        log_p = fr.likelihood.label_probabilities(rbm, parts, log=True)
        assert np.allclose(log_p, log_p_by_enumeration(rbm, parts, 9), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layer", LAYERS)
def test_sums_of_the_kernel_are_those_by_states(layer, monkeypatch):
    visible, column = LAYERS[layer]
    for hidden in ("bernoulli", "spin"):
        rbm = random_model(visible, 70, hidden)
        label = LabelColumn(rbm.visible, column)
        states = rbm._states(rbm.visible.values(random_parts(rbm, 45)), "X")
        weight = np.random.default_rng(1).integers(0, 1 << 22, 45).astype(float)
        fast = label_sums(rbm, label, states, label.labels(states), weight)
        with monkeypatch.context() as patch:
            patch.setattr(sampling_labels, "_CAPACITY", 0.0)
            slow = label_sums(rbm, label, states, label.labels(states), weight)
        for name, most in (("positive", 1), ("negative", 1), ("pairs", 45), ("counts", 45)):
            assert np.abs(getattr(fast, name) - getattr(slow, name)).max() <= most, name


def test_fractions_are_taken_as_they_are():
    rbm = random_model([u.Bernoulli(9), u.Categorical(1, 4)], 20)
    x = np.random.default_rng(0).integers(0, 1 << 22, (30, 9)) * 2.0**-22
    field = x @ rbm.weights[:9].astype(float) + rbm.hidden_bias
    terms = np.logaddexp(0.0, field[:, None] + rbm.weights[9:]).sum(axis=2) + rbm.visible_bias[9:]
    p = np.exp(terms - terms.max(axis=1, keepdims=True))
    assert np.allclose(fr.likelihood.label_probabilities(rbm, x), p / p.sum(axis=1, keepdims=True), rtol=1e-9)


def test_data_frames_may_lack_the_label():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": ["x", "y", "z", "x"], "b": [0, 1, 1, 0], "kind": ["p", "q", "r", "p"]})
    rbm = fr.RBM.from_data(frame, 5, weight_scale=1.0)
    p = fr.likelihood.label_probabilities(rbm, frame)
    assert p.shape == (4, 3) and np.array_equal(p, fr.likelihood.label_probabilities(rbm, frame[["a", "b"]]))
    with pytest.raises(ValueError, match="other columns"):
        fr.likelihood.label_probabilities(rbm, frame[["a", "kind"]])
    lacking = frame.assign(kind=["p", None, "r", None])
    all_known = frame.assign(kind=["p", "p", "r", "p"])[::2]
    gradient = fr.gradient.Discriminative()
    assert same(gradient(rbm, lacking), gradient(rbm, all_known))


def test_what_is_refused():
    rbm = random_model([u.Bernoulli(3), u.Categorical(1, 4)], 5)
    X = random_parts(rbm, 6)
    with pytest.raises(ValueError, match="column must be one of the 4 columns"):
        fr.likelihood.label_probabilities(rbm, X, 4)
    with pytest.raises(TypeError, match="column must be the number"):
        fr.likelihood.label_probabilities(rbm, X, "label")
    with pytest.raises(ValueError, match="X has 2 columns where the model has 4"):
        fr.likelihood.label_probabilities(rbm, X[:, :2])
    with pytest.raises(ValueError, match="single column"):
        fr.likelihood.label_probabilities(random_model([u.Categorical(1, 4)], 5), X[:, :1])
    with pytest.raises(ValueError, match=r"labels from 0 to 3 in column 3, or -1 or NaN.*X\[0, 3\] is 7"):
        fr.gradient.Discriminative()(rbm, np.where(np.arange(4) == 3, 7, X))
    with pytest.raises(ValueError, match="must hold 0 or 1 in column 1, the label"):
        fr.gradient.Discriminative(1)(rbm, np.where(np.arange(4) == 1, np.nan, X))
    with pytest.raises(TypeError, match="generative must be an estimator"):
        fr.gradient.Hybrid(fr.gradient.PCD)
    with pytest.raises(ValueError, match="at least one example"):
        fr.gradient.Discriminative()(rbm, X[:0])


# ------------------------------------------------------------ its gradient


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_that_of_finite_differences(layer, hidden, weighted):
    """Up to the rounding of probabilities to multiples of 2^-22, of which a mean over n has less."""
    visible, column = LAYERS[layer]
    rbm = random_model(visible, 6, hidden)
    n, column = 400, column % rbm.visible.n_columns
    parts = random_parts(rbm, n)
    weight = np.random.default_rng(2).integers(1, 5, n) * 1.0 if weighted else np.ones(n)
    arrays = [np.asarray(a, float) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias)]

    def mean():
        log_p = log_p_by_enumeration(rbm, parts, column, arrays)
        return weight @ log_p[np.arange(n), parts[:, column]] / weight.sum()

    X = rbm.visible.values(parts)
    gradient = fr.gradient.Discriminative(column)(rbm, X, weight if weighted else None)
    error = 4 * rbm.hidden.step * np.max(rbm.visible.step) * 2.0**-22 / np.sqrt(n) * (2.5 if weighted else 1.0)
    for array, name in zip(arrays, ("weights", "visible_bias", "hidden_bias"), strict=True):
        own, differences = getattr(gradient, name), np.empty(array.shape)
        for at in np.ndindex(array.shape):
            ends, old = [], array[at]
            for step in (1e-5, -1e-5):
                array[at] = old + step
                ends.append(mean())
            array[at] = old
            differences[at] = (ends[0] - ends[1]) / 2e-5
        assert np.abs(own - differences).max() < 1e-6 * np.abs(differences).max() + error, name


@pytest.mark.parametrize("layer", LAYERS)
def test_both_ways_to_sum_up_are_the_same(layer):
    """States and label sums as the kernels of an update take them, and moments, of which a weight makes the call."""
    visible, column = LAYERS[layer]
    rbm = random_model(visible, 70)
    X = rbm.visible.values(random_parts(rbm, 300))
    plain = fr.gradient.Discriminative(column)(rbm, X)
    weighted = fr.gradient.Discriminative(column)(rbm, X, np.ones(300))
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.allclose(getattr(plain, name), getattr(weighted, name), rtol=0, atol=1e-6)
    for side in ("positive", "negative"):
        a, b = getattr(plain, side), getattr(weighted, side)
        assert a.total == b.total == 300
        assert all(
            np.allclose(getattr(a, n), getattr(b, n), rtol=0, atol=1e-6) for n in ("weights", "visible", "hidden")
        )
    offsets = np.full(rbm.n_visible, 0.3), np.full(rbm.n_hidden, 0.6)
    a, b = plain.centered(*offsets), weighted.centered(*offsets)
    assert all(
        np.allclose(getattr(a, n), getattr(b, n), rtol=0, atol=1e-5) for n in ("weights", "visible_bias", "hidden_bias")
    )


def test_phases_of_a_unit_of_two_values_are_those_of_a_site_of_two():
    """p(y | x) of one bit, and of a site with these two states: weights W_1 - W_0."""
    rbm = random_model([u.Bernoulli(7)], 8)
    rows, b = rbm.weights, rbm.visible_bias
    site = fr.RBM(
        np.vstack([rows[:6], 0 * rows[6:], rows[6:]]), np.concatenate([b[:6], [0], b[6:]]), rbm.hidden_bias,
        visible=[u.Bernoulli(6), u.Categorical(1, 2)],
    )  # fmt: skip
    X = random_parts(rbm, 50)
    a, b = (fr.gradient.Discriminative()(model, X) for model in (rbm, site))
    assert np.array_equal(a.hidden_bias, b.hidden_bias)
    assert np.array_equal(a.weights, np.delete(b.weights, 6, axis=0))
    assert np.allclose(a.visible_bias, np.delete(b.visible_bias, 6), atol=1e-15)


def test_examples_without_a_label_count_for_nothing():
    rbm = random_model([u.Bernoulli(9), u.Categorical(1, 4)], 20)
    X = random_parts(rbm, 60).astype(float)
    known = np.arange(60) % 3 > 0
    for absent in (-1, np.nan, 4):
        lacking = np.where(known[:, None] | (np.arange(10) < 9), X, absent)
        assert same(fr.gradient.Discriminative()(rbm, lacking), fr.gradient.Discriminative()(rbm, X[known]))
        weight = np.random.default_rng(0).random(60)
        a = fr.gradient.Discriminative()(rbm, lacking, weight)
        assert same(a, fr.gradient.Discriminative()(rbm, X[known], weight[known]))
    none = fr.gradient.Discriminative()(rbm, lacking[~known])
    assert not none.weights.any() and not none.visible_bias.any() and not none.hidden_bias.any()
    a = fr.gradient.Discriminative()(rbm, X, known.astype(float))  # nor do those of weight 0
    assert np.allclose(a.weights, fr.gradient.Discriminative()(rbm, X[known]).weights, rtol=0, atol=1e-6)
    wide = np.column_stack([lacking[:, :9], np.where(known[:, None], np.eye(4)[X[:, 9].astype(int)], 0.0)])
    assert same(fr.gradient.Discriminative()(rbm, wide), fr.gradient.Discriminative()(rbm, X[known]))


def test_a_weight_of_two_is_an_example_that_is_there_twice():
    rbm = random_model([u.Bernoulli(9), u.Categorical(1, 4)], 20)
    X, times = random_parts(rbm, 40), np.arange(40) % 3
    a = fr.gradient.Discriminative()(rbm, X, times.astype(float))
    b = fr.gradient.Discriminative()(rbm, np.repeat(X, times, axis=0))
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.allclose(getattr(a, name), getattr(b, name), rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", ["last", "middle", "spin"])
def test_same_bits_for_any_threads_level_and_split(layer, monkeypatch):
    visible, column = LAYERS[layer]
    rbm = random_model(visible, 70)
    label = LabelColumn(rbm.visible, column)
    states = rbm._states(rbm.visible.values(random_parts(rbm, 203)), "X")
    codes = label.labels(states)
    first = label_sums(rbm, label, states, codes, None, 1)
    for n_threads in (2, 3, 7):
        again = label_sums(rbm, label, states, codes, None, n_threads)
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    halves = [label_sums(rbm, label, states[part], codes[part], None) for part in (slice(0, 77), slice(77, 203))]
    assert np.array_equal(first.pairs, halves[0].pairs + halves[1].pairs)
    assert np.array_equal(first.counts, halves[0].counts + halves[1].counts)
    assert np.array_equal(first.negative[:, 77:203], halves[1].negative[:, :126])
    log_p, every = fr.likelihood.label_probabilities(rbm, states, column, log=True), []
    for level, module in modules().items():
        p = rbm._parameters
        segments = module.Segments(rbm.visible.layout or ((rbm.visible.name, rbm.visible.n),))
        given = segments if rbm.visible.layout else None
        layer_of = module.Layer(
            p.to_hidden.tiles_array, p.to_hidden.exponent, p.to_hidden.bias_array, 70, "bernoulli",
            rbm.visible.name if given is None else "bernoulli", None, given,
        )  # fmt: skip
        out = np.empty(log_p.shape)
        sums = (codes, None, np.zeros_like(first.positive), np.zeros_like(first.negative), np.empty_like(first.pairs),
                np.empty_like(first.counts))  # fmt: skip
        planes = label.with_labels(states, None).planes
        module.label_terms(
            planes, None, layer_of, segments, label.row, label.bit, p.wide_visible_bias, 50, out, sums, 2
        )  # fmt: skip
        every.append(out)
        assert np.allclose(out, log_p, rtol=1e-12, atol=1e-12) and np.array_equal(out, every[0]), level
        assert all(np.array_equal(a, b) for a, b in zip(first, sums[2:], strict=True)), level


def test_label_sums_larger_than_a_probability():
    """All examples in one class, whose sums take more than one example of the label by itself."""
    rbm = random_model([u.Bernoulli(9), u.Categorical(1, 3)], 20)
    X = random_parts(rbm, 200)
    X[:, 9] = 0
    rbm.set_parameters(visible_bias=np.where(np.arange(12) == 9, 30.0, rbm.visible_bias))
    gradient = fr.gradient.Discriminative()(rbm, X)
    assert np.abs(gradient.weights).max() < 1e-6 and isinstance(gradient._phases[1], LabelPhase)
    s = fr.Moments.of_data(rbm, X)
    assert np.allclose(gradient.negative.weights, s.weights, rtol=0, atol=1e-6)


# ------------------------------------------------------------ training

DIGITS = fr.datasets.load_digits()[:300]
TARGET = np.arange(300) % 10  # nothing to learn, but for the machinery
VISIBLE = [u.Bernoulli(64), u.Categorical(1, 10)]
LABELED = np.column_stack([DIGITS, TARGET]).astype(np.uint8)


def test_hybrid_is_the_sum_of_both():
    rbm = random_model(VISIBLE, 20, scale=0.1)
    hybrid = fr.gradient.Hybrid(fr.gradient.PCD(32, seed=1), alpha=0.3)(rbm, LABELED)
    disc, gen = fr.gradient.Discriminative()(rbm, LABELED), fr.gradient.PCD(32, seed=1)(rbm, LABELED)
    offsets = np.full(74, 0.3), np.full(20, 0.6)
    for a, b, c in (
        (hybrid, disc, gen),
        (hybrid.centered(*offsets), disc.centered(*offsets), gen.centered(*offsets)),
        (hybrid.scaled(2.0), disc.scaled(2.0), gen.scaled(2.0)),
    ):
        for name in ("weights", "visible_bias", "hidden_bias"):
            both = getattr(b, name) + 0.3 * getattr(c, name)
            assert np.allclose(getattr(a, name), both, rtol=0, atol=1e-6)

    def own(rbm, X, n_threads=None):  # a user's, with three arrays
        return gen if False else type("G", (), {n: getattr(gen, n) for n in ("weights", "visible_bias", "hidden_bias")})

    plain = fr.gradient.Hybrid(own, alpha=0.3)(rbm, LABELED)
    assert np.allclose(plain.weights, hybrid.weights, rtol=0, atol=1e-6)


def test_labels_that_are_absent_are_drawn_from_their_distribution():
    """The generative part sees complete examples: labels by p(y | x), new ones at each call."""
    rbm = random_model([u.Bernoulli(4), u.Categorical(1, 3)], 6, scale=1.0)
    X = np.zeros((4000, 5)) + [1, 0, 1, 1, -1]
    X[:2, 4] = 2
    seen = []

    def generative(rbm, states, n_threads=None):
        seen.append(states.to_states())
        return fr.gradient.PCD(4)(rbm, states)

    hybrid = fr.gradient.Hybrid(generative)
    hybrid(rbm, X), hybrid(rbm, X)
    assert (seen[0][:2, 4] == 2).all() and not np.array_equal(seen[0], seen[1])
    p = fr.likelihood.label_probabilities(rbm, X[:1])[0]
    counts = np.bincount(np.concatenate([s[2:, 4] for s in seen]), minlength=3)
    assert (np.abs(counts / 7996 - p) < 5 * np.sqrt(p * (1 - p) / 7996)).all()
    assert drawn_labels(np.log([[0.2, 0.3, 0.5]] * 4), np.array([0.0, 0.21, 0.51, 1.0])).tolist() == [0, 1, 2, 2]


def lacking():
    X = LABELED.astype(float)
    X[::3, -1], X[1::7, -1] = np.nan, -1
    return X


def estimators():
    g = fr.gradient
    return {
        "discriminative": g.Discriminative, "hybrid": lambda: g.Hybrid(g.PCD(32), 0.1, seed=3),
        "cd": lambda: g.Hybrid(g.CD(), 0.1), "fast": lambda: g.Hybrid(g.FastPCD(32), 0.1),
        "tempered": lambda: g.Hybrid(g.Tempered(16, 3), 0.1),
    }  # fmt: skip


def train(gradient, optimizer, **options):
    rbm = fr.RBM.from_data(lacking(), 20, visible=VISIBLE)
    fr.fit(rbm, options.pop("X", lacking()), gradient, optimizer, batch_size=64, **{"epochs": 4} | options)
    return rbm


@pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning")
@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("name", ["discriminative", "hybrid", "cd", "fast", "tempered"])
def test_trainings_go_on_to_the_same_bits(name, centered, tmp_path):
    for optimizer in (lambda: fr.optim.SGD(0.05, momentum=0.5), lambda: fr.optim.Adam(0.01)):
        make = estimators()[name]
        whole = train(make(), optimizer(), centered=centered)
        path = tmp_path / f"{optimizer()!r:.4}.npz"
        train(make(), optimizer(), centered=centered, epochs=2, checkpoint=path)
        resumed = train(make(), optimizer(), centered=centered, checkpoint=path, resume=True, n_threads=1)
        assert same(whole, resumed)


@pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning")
def test_training_with_weights_and_fractions():
    weight = np.arange(300) % 3
    whole = train(estimators()["hybrid"](), fr.optim.SGD(0.05), sample_weight=weight)
    assert same(whole, train(estimators()["hybrid"](), fr.optim.SGD(0.05), sample_weight=weight, n_threads=1))
    fractions = np.column_stack([DIGITS * 0.8 + 0.1, np.eye(10)[TARGET]])
    assert np.isfinite(train(estimators()["hybrid"](), fr.optim.SGD(0.05), X=fractions).weights).all()

    class Batches:
        def __len__(self):
            return 6

        def __iter__(self):
            for start in range(0, 300, 50):
                yield fr.gradient.Discriminative().encode(whole, lacking()[start : start + 50])

    assert all(isinstance(batch, CodeMatrix) for batch in Batches())
    train(fr.gradient.Discriminative(), fr.optim.SGD(0.05), X=Batches())


def test_a_classifier_alone_is_not_judged_by_its_samples(recwarn):
    rbm = fr.RBM.from_data(LABELED, 20, visible=VISIBLE)
    history = fr.fit(rbm, LABELED, fr.gradient.Discriminative(), fr.optim.Adam(0.01), epochs=25, batch_size=50)
    assert history.verdict == "" and not [w for w in recwarn if issubclass(w.category, fr.TrainingWarning)]
    with pytest.raises(ValueError, match="missing='latent' would fill in labels"):
        fr.fit(rbm, lacking(), fr.gradient.Hybrid(), epochs=1, missing="latent")


def test_a_checkpoint_knows_its_settings(tmp_path):
    make = estimators()["hybrid"]
    train(make(), fr.optim.SGD(0.05), epochs=1, checkpoint=tmp_path / "a.npz")
    for other in (
        fr.gradient.Hybrid(fr.gradient.PCD(32), 0.2, seed=3),
        fr.gradient.Hybrid(fr.gradient.PCD(33), 0.1, seed=3),
    ):
        with pytest.raises(ValueError, match="gradient"):
            train(other, fr.optim.SGD(0.05), checkpoint=tmp_path / "a.npz", resume=True)
    with pytest.raises(TypeError, match="generative must have get_state"):
        fr.gradient.Hybrid(test_hybrid_is_the_sum_of_both).get_state()


def test_labels_are_learned_and_pictures_drawn_by_label():
    """Four pictures with noise, a label each, which two of three examples lack; and samples by label."""
    rng = np.random.default_rng(0)
    pictures, y = rng.integers(0, 2, (4, 20)), rng.integers(0, 4, 600)
    X = (pictures[y] ^ (rng.random((600, 20)) < 0.1)).astype(np.uint8)
    V = np.column_stack([X, np.where(np.arange(600) % 3, np.nan, y)])
    rbm = fr.RBM.from_data(V, 16, visible=[u.Bernoulli(20), u.Categorical(1, 4)])
    gradient = fr.gradient.Hybrid(fr.gradient.PCD(64), alpha=1.0)
    fr.fit(rbm, V, gradient, fr.optim.SGD(fr.optim.Linear(0.1, 0.0)), epochs=200, batch_size=60)
    found = fr.likelihood.label_probabilities(rbm, X).argmax(axis=1)
    assert (found == y).mean() > 0.95
    for label in range(4):
        drawn = rbm.sample(100, n_sweeps=200, clamp={20: label})
        assert (drawn[:, 20] == label).all()
        assert np.abs(drawn[:, :20].mean(axis=0) - pictures[label]).mean() < 0.25
