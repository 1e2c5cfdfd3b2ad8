"""The report: one file that needs no other, says what was computed, and holds no markup but its own."""

import html.parser
import math
import os

import numpy as np
import pytest

import fastrbm as fr

pytest.importorskip("matplotlib")
from fastrbm._core.display import number  # noqa: E402
from fastrbm.likelihood.score import weighted_mean  # noqa: E402
from fastrbm.report import page as _page  # noqa: E402
from fastrbm.report import report  # noqa: E402
from fastrbm.report.verdict import Answer, answers  # noqa: E402
from fastrbm.training.verdict import Finding  # noqa: E402

X = fr.datasets.load_digits()
RBM = fr.RBM.from_data(X, 12, seed=1, weight_scale=0.3)
QUICK = {"n_samples": 8, "n_sweeps": 60}
VOID = {"meta", "img", "br", "hr"}


class Parsed(html.parser.HTMLParser):
    """Tags and texts; every tag must be closed in its turn."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def training(epochs=3):
    table = fr.History()
    for k in range(1, epochs + 1):
        table.record(epoch=k, shuffled_gap=k * 1.5, tau_int=math.nan, log_likelihood=-90.0 + k)
    return table


NAME = "<script>alert('x')</script> & \"m\".npz"
DIGITS = QUICK | {"history": training(), "name": NAME, "command": f"fastrbm report {NAME}"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """(what the report on the digits returned, its file, in a folder of its own)"""
    path = tmp_path_factory.mktemp("digits") / "report.html"
    return report(RBM, X, path, **DIGITS), path


def test_one_file_that_needs_no_other(digits):
    path = digits[1]
    page = Parsed(path)
    assert os.listdir(path.parent) == ["report.html"]
    assert page.source.startswith("<!DOCTYPE html>\n") and page.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.all("meta") and len(page.all("title")) == len(page.all("h1")) == 1
    assert "http" not in page.source.lower() and "//" not in page.text
    assert not page.all("script") and not page.all("link")
    assert len(page.all("img")) == 9 + 2  # a column that was not measured has no picture
    for image in page.all("img"):
        assert image["src"].startswith("data:image/png;base64,iVBORw0KGgo") and len(image["alt"]) > 10


def test_it_says_what_was_computed(digits):
    score, path = digits
    text = Parsed(path).text
    assert score == fr.likelihood.score(RBM, X)
    p = (X.sum(axis=0) + 0.5) / (len(X) + 1)
    alone = float(np.where(X == 1, np.log(p), np.log1p(-p)).sum(axis=1).mean())
    chains = fr.Chains(RBM, 8)
    chains.sweep(60)
    found = fr.diagnostics.summary(fr.diagnostics.traces(chains, 60, X))
    gap = RBM.free_energy(chains.visible).mean() - RBM.free_energy(X).mean()
    for words in (
        f"mean log-likelihood {score.mean:.2f} nats per example",
        f"independent units {alone:.2f} nats",
        "parameters 844 ",  # 64 x 12 + 64 + 12
        *(" ".join(found.row(name)) for name in ("free_energy", "mean_activity", "axis_1", "axis_2")),
        f"Worst R-hat {found.rhat:.3f} ({found.worst}), smallest effective sample size {found.ess:,.0f}.",
        fr.diagnostics.meet(RBM, X, 8, 60).words,
        f"samples are on average {abs(gap):.1f} nats {'less' if gap > 0 else 'more'} likely",
        f"examples 1,797, each of 64 units units that are 1 {X.mean():.1%}",
        "shuffled gap 4.5",
        f"numpy {np.__version__}",
    ):
        assert words in text, words
    assert "Inputs of hidden units" not in text  # which real ones have


def test_same_arguments_same_file(digits, tmp_path):
    for name, states, seed in (("again", fr.BitMatrix.from_states(X), 0), ("other", X, 1)):
        report(RBM, states, tmp_path / name, seed=seed, **DIGITS)
    one, two, other = (path.read_bytes() for path in (digits[1], tmp_path / "again", tmp_path / "other"))
    assert one == two != other


def test_its_head_says_on_what_when_and_how_the_model_was_trained(digits, tmp_path):
    """By the model's own record, which is of a file and may hold anything; the date is the one that it is given."""
    text = Parsed(digits[1]).text
    assert "Trained" not in text and f"On data: 1,797 examples. fastrbm {fr.__version__}." in text
    rbm, path = fr.RBM.from_data(X, 4), tmp_path / "r.html"
    history = fr.fit(rbm, X, epochs=2, seed=7, validation=X[:9])
    rbm._keep_record({**rbm.training_record, "data_name": "<b>", "more": {"<i>": 1}})
    report(rbm, X[:50], path, data_name="x & y.npy", date="today", **QUICK)
    page = Parsed(path)
    head = page.text[: page.text.index("Fitted?")]
    assert f"On x & y.npy: 50 examples. Made today. fastrbm {fr.__version__}." in head
    assert "Trained on <b>: 1,797 examples of 64 units, checksum ae4a47d5, by PCD(" in head
    assert "30 updates, batches of 128, seed 7, complete" in head
    assert page.texts.count("Training") == 1 and not page.all("b") and not page.all("i")
    assert f"gradient {fr.gradient.PCD()!r}" in page.text
    gap = history.last["free_energy_gap"]
    assert f"Validation data are {abs(gap):.2f} nats per example" in page.text  # which the record knows of
    assert f"last shuffled gap {history.last['shuffled_gap']:.6g}" in page.text


def test_text_is_escaped(digits):
    page = Parsed(digits[1])
    assert not page.all("script") and f"Report on {NAME}" in page.text and f"fastrbm report {NAME}" in page.text


def test_warnings_are_reported(tmp_path):
    """Ten steps of annealing do not reach a model of strong weights, and 4 sweeps say nothing of its chains."""
    rbm = fr.RBM(np.random.default_rng(0).normal(0, 2, (64, 30)))
    score = report(rbm, X, tmp_path / "r.html", n_betas=10, n_chains=20, n_samples=8, n_sweeps=4)
    assert score.log_partition.warning
    page = Parsed(tmp_path / "r.html")
    assert score.log_partition.warning in page.text and {"class": "warning"} in page.all("p")
    assert "by the uncertainty of log Z none" not in page.text


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 7), (805, 40)])
def test_models_of_any_size(tmp_path, shape):
    """With one example that never changes, and in history one epoch."""
    rbm = fr.RBM(np.zeros(shape))
    report(rbm, np.ones((1, shape[0])), tmp_path / "r.html", history=training(1), n_betas=20, n_chains=10, **QUICK)
    assert " nan" not in Parsed(tmp_path / "r.html").text.lower()


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "r.html"
    path.write_text("old")
    for mistake, kind, words in (
        ({"shape": (3, 3)}, ValueError, "shape must hold 64 units"),
        ({"history": [1]}, TypeError, "history must be a History or None"),
        ({"n_sweeps": 3}, ValueError, "n_sweeps must be at least 4"),
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1"),
        ({"method": "magic"}, ValueError, "method must be one of"),
        ({"seed": -1}, ValueError, "seed must be an integer from 0 to"),
    ):
        with pytest.raises(kind, match=words):
            report(RBM, X, path, **mistake)
    with pytest.raises(TypeError, match="rbm must be an RBM"):
        report(X, X, path)
    with pytest.raises(ValueError, match="X must have at least one example"):
        report(RBM, X[:0], path)
    with pytest.raises(FileNotFoundError, match="no"):
        report(RBM, X, tmp_path / "no" / "r.html", **QUICK)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["r.html"]


def test_every_part_of_a_page_escapes_what_it_is_given(tmp_path):
    from matplotlib.figure import Figure

    evil = '<script src="x">"\'&</script>'
    page = _page.Page(evil)
    page.heading(evil)
    page.text(evil, warning=True)
    page.code(evil)
    page.table({evil: evil})
    page.answers([Answer(evil, evil, False, evil)])
    page.pictures((Figure(figsize=(1, 1)), evil, evil))
    path = tmp_path / "p.html"
    path.write_text(page.html())
    parsed = Parsed(path)
    assert not parsed.all("script") and parsed.all("img")[0]["alt"] == evil
    assert parsed.text.count(evil) == 11  # title, h1, h2, p, code, th, td, a question, its answer, words, figcaption


def test_sides_and_wide_tables():
    """Sections stand side by side; a table of more columns than fit there takes the whole width."""
    page = _page.Page("p")
    with page.sides():
        for words in ("one", "other"):
            with page.side():
                page.text(words)
    page.texts(("few", None, ["a"] + [""] * 7, [["1"] * 8], "m"))
    page.texts(("many", None, list("abcdef"), [["1"] * 6], "m"))
    html = page.html()
    assert '<div class="sides">\n<div>\n<p>one</p>\n</div>\n<div>\n<p>other</p>\n</div>\n</div>' in html
    assert html.count('<div class="pictures">') == 1 and html.count('<div class="pictures wide">') == 1
    assert html.count("<div") == html.count("</div>") and "@media print" in html


@pytest.mark.parametrize(
    "value, words", [(0.0, "0"), (0.12345, "0.1235"), (-999.96, "-1000"), (1234.5, "1,234"), (9984.9, "9,985"),
                     (12345678.0, "12,345,678"), (3e12, "3e+12"), (-1e-9, "-1e-09"), (math.inf, "inf")],
)  # fmt: skip
def test_numbers_of_readers(value, words):
    assert number(value) == words


# ---------------------------------------------------------------- the verdict

NAN = math.nan
TAU = fr.diagnostics.AutocorrelationTime(9.0, 50, True)
GOOD = fr.diagnostics.Summary({"axis_1": fr.diagnostics.TraceSummary(0.0, 0.1, 1.02, 500.0, 400.0, TAU)}, 900)
MET = fr.diagnostics.Meeting(np.ones((2, 3)), np.ones((2, 1)), np.ones(2), 4.0, 99.0, 256, 1000)


class Z:
    """An estimate of log Z."""

    def __init__(self, warning="", method="AIS and reverse AIS"):
        self.warning, self.method = warning, method


def scored(mean, lower, upper, z=None):
    return fr.likelihood.Score(np.full(3, mean), mean, 0.1, lower, upper, z or Z())


def history(findings=None, **last):
    table = fr.History()
    columns = {"update": 1000, "shuffled_gap": 10.0, **last}
    for part in (0.25, 0.5, 0.9, 1.0):
        table.record(**{name: type(x)(x * part) for name, x in columns.items()})
    table.findings = findings
    return table


def said(question, score=None, found=GOOD, met=MET, trained=None, reported=()):
    """(answer, whether it is good, words) of one of the four lines."""
    score = scored(-10.0, -10.2, -9.8) if score is None else score
    lines = {line.question: line[1:] for line in answers(score, -20.0, 0.12, list(reported), found, met, trained, 64)}
    assert list(lines) == ["Fitted?", "Mixing?", "Trusted likelihood?", "Overfitting?"]
    return lines[question]


STILL = (Finding("still rising", "Still rising: more epochs.", fault=False),)
WORSE = (Finding("overfitting", "Overfitting: the validation data are unlikely. Fewer epochs."),)


@pytest.mark.parametrize(
    "arguments, answer, good, words",
    [
        ({}, "yes", True, "-10.00 nats per example, 10.00 more than independent units."),
        ({"score": scored(-21.0, -21.1, -20.9)}, "no", False, "1.00 less than independent units. More epochs"),
        ({"score": scored(-19.9, -19.9, -19.9)}, "no", False, "0.10 more than independent units. More epochs"),
        ({"score": scored(-19.0, -21.0, -17.0)}, "not known", None, "-21.00 to -17.00 nats"),
        ({"score": scored(-19.0, -math.inf, -17.0)}, "not known", None, "no bound to -17.00 nats"),
        ({"trained": history(STILL)}, "not yet", False, "Still rising: more epochs."),
        ({"trained": history(WORSE), "score": scored(-21.0, -21.1, -20.9)}, "no", False, "It overfits, see below."),
        *(
            ({"trained": history((Finding(kind, "Do this."),))}, "no", False, "Do this.")
            for kind in ("diverged", "nothing learned", "samples unlike the data")
        ),
        # of a table from a file, whose columns say it
        ({"trained": history(shuffled_gap=0.01)}, "no", False, "Nothing was learned beyond the means"),
        ({"trained": history(shuffled_gap=1e6)}, "no", False, "The training has diverged"),
        ({"trained": history()}, "not yet", False, "went from 5.00 to 10.00 nats"),
        ({"trained": history(update=NAN)}, "yes", True, "10.00 more than independent units."),
    ],
)  # fmt: skip
def test_fitted(arguments, answer, good, words):
    found = said("Fitted?", **arguments)
    assert found[:2] == (answer, good) and words in found[2]


def test_the_gain_has_an_error_of_its_own():
    """Examples that differ much from each other may all gain alike: what counts is the spread of their gains."""
    each = np.array([-10.0, -60.0, -110.0])  # whose standard error is 29
    score = fr.likelihood.Score(each, -60.0, 29.0, -60.1, -59.9, Z())

    def fitted(alone):
        base, noise = weighted_mean(alone, np.ones(3))[0], weighted_mean(each - alone, np.ones(3))[1]
        return answers(score, base, noise, [], GOOD, MET, None, 64)[0]

    alike = fitted(each - [0.4, 0.5, 0.6])  # whose gains have an error of 0.06
    assert alike[1:3] == ("yes", True) and "0.50 more than independent units" in alike.words
    assert fitted(each - [-0.5, 0.5, 1.5])[1:3] == ("no", False)  # whose gains have 0.58


def slow(rhat):
    return fr.diagnostics.Summary({"axis_1": GOOD.traces["axis_1"]._replace(rhat=rhat)}, 900)


APART = fr.diagnostics.Meeting(np.full((2, 3), 9.0), np.ones((2, 1)), np.ones(2), 4.0, 99.0, 256, 1000)


@pytest.mark.parametrize(
    "arguments, answer, good, words",
    [
        ({}, "yes", True, "Worst R-hat 1.020 (axis_1), smallest effective sample size 400. Chains from the data, "),
        ({"found": slow(1.2)}, "no", False, "R-hat 1.200 (axis_1), smallest effective sample size 400. Chains stay"),
        ({"found": slow(math.inf)}, "no", False, "Worst R-hat inf"),
        ({"met": APART}, "no", False, "end apart after 1,000 sweeps: by 9.0 standard errors"),
        ({"met": APART, "found": slow(1.2)}, "no", False, "end apart after 1,000 sweeps: by 9.0 standard errors"),
        ({"found": slow(NAN)}, "not known", None, "No trace of the chains varies."),
    ],
)
def test_mixing(arguments, answer, good, words):
    found = said("Mixing?", **arguments)
    assert found[:2] == (answer, good) and words in found[2]


@pytest.mark.parametrize(
    "arguments, answer, good, words",
    [
        ({}, "yes", True, "-10.00 nats, -10.20 to -9.80 nats by AIS and reverse AIS, which agree."),
        ({"met": APART}, "yes", True, "which agree. But chains do not mix, and modes"),
        ({"score": scored(-9.0, -9.0, -9.0), "met": APART}, "yes", True, "-9.00 nats: log Z is exact."),
        ({"score": scored(-9.0, -11.0, -7.0)}, "no", False, "4.0 nats wide. More betas"),
        ({"score": scored(-9.0, -11.0, math.inf)}, "no", False, "without an end. More betas"),
        ({"score": scored(-9.0, -9.1, -8.9, Z("They DISAGREE"))}, "no", False, "They DISAGREE."),
        ({"reported": ["few chains count"]}, "no", False, "few chains count."),
        ({"score": scored(-9.0, -9.1, -8.9, Z(method="AIS"))}, "not known", None, "alone. It errs upward"),
    ],
)
def test_trusted_likelihood(arguments, answer, good, words):
    found = said("Trusted likelihood?", **arguments)
    assert found[:2] == (answer, good) and words in found[2]


@pytest.mark.parametrize(
    "trained, answer, good, words",
    [
        (None, "not known", None, "A history of a training with validation data would show it."),
        (fr.History(), "not known", None, "A history of a training with validation data would show it."),
        (history(()), "not known", None, "Nothing was held out: train with validation data"),
        (history((), free_energy_gap=0.5), "no", True, "less likely than training data; these are 10.00"),
        (history((), free_energy_gap=-0.5), "no", True, "0.50 nats per example more likely than training data"),
        (history(WORSE, free_energy_gap=9.0), "yes", False, "The validation data are unlikely. Fewer epochs."),
        (history(free_energy_gap=9.0), "yes", False, "The validation data are 9.0 nats per example less likely"),
        (history(free_energy_gap=9.0, shuffled_gap=1e6), "not known", None, "of a model that is not fitted."),
        (history((Finding("nothing learned", "."),), free_energy_gap=0.0), "not known", None, "that is not fitted."),
    ],
)  # fmt: skip
def test_overfitting(trained, answer, good, words):
    found = said("Overfitting?", trained=trained)
    assert found[:2] == (answer, good) and words in found[2]


def test_a_report_begins_with_the_verdict(tmp_path):
    """Two modes that chains do not cross between: exact log Z, one bad line, and before everything else."""
    rbm = fr.RBM(np.full((20, 2), 3.0), np.full(20, -2.89), np.full(2, -30.0))
    data = np.ones((100, 20), np.uint8)
    data[:10] = 0
    report(rbm, data, tmp_path / "r.html", n_samples=64, n_sweeps=50)
    page = Parsed(tmp_path / "r.html")
    assert [row["class"] for row in page.all("tr")[:4]] == ["good", "bad", "good", "open"]
    text = page.text
    lines = "Fitted? yes", "Mixing? no", "Trusted likelihood? yes", "Overfitting? not known"
    places = [text.index(words) for words in lines]
    assert places == sorted(places) and places[-1] < text.index("Score")
    assert "Warning: Chains from the data and chains from the biases end apart after 50 sweeps" in text


# ---------------------------------------------------------------- categories

RNG = np.random.default_rng(0)
GROUP = RNG.integers(0, 3, 80)


def coded(*segments, names=None, categories=None, hidden=5, **columns):
    """A model whose weights say something, and examples."""
    visible = fr.units.layer(list(segments), sum(s.n for s in segments), "visible")
    sizes = np.array(visible.n_states_of_columns)
    parts = ((GROUP[:, None] + RNG.integers(0, 2, (80, visible.n_columns))) % sizes).astype(np.uint8)
    Y = visible.values(parts)
    rbm = fr.RBM.from_data(Y, hidden, seed=1, weight_scale=0.4, visible=visible)
    rbm._visible_names, rbm._visible_categories = names, categories
    return rbm, Y


SEQUENCES = coded(fr.units.Categorical(7, 5), categories=(tuple("-ACGU"),) * 7)
SURVEY = coded(
    fr.units.Categorical(2, (3, 4)), fr.units.Bernoulli(1), names=("color", "<rooms>", "smokes"),
    categories=(("blue", "green", "red"), (1, 2, 3, 4), ("no", "yes")),
)  # fmt: skip
PICTURES = coded(fr.units.Bernoulli(16), fr.units.Categorical(1, 3))
SPINS = coded(fr.units.Categorical(3, 2), fr.units.Spin(2))
FAST = QUICK | {"n_betas": 20, "n_sweeps": 6}


def test_sequences_have_logos_and_lines_of_letters(tmp_path):
    rbm, Y = SEQUENCES
    report(rbm, Y, tmp_path / "r.html", sample_weight=np.arange(1, 81), **FAST)
    page = Parsed(tmp_path / "r.html")
    alts = [image["alt"] for image in page.all("img")]
    assert len(alts) == 6 and alts[0] == "Weights of the 5 hidden units of largest norms, as logos"
    assert any(alt.startswith("Single-site frequencies: r = ") for alt in alts)
    assert any(alt.startswith("Pair correlations: r = ") for alt in alts)
    some = fr.datasets.decode_sequences(Y[np.linspace(0, 79, 64).astype(int)], "rna")
    chains = fr.Chains(rbm, 8)
    chains.sweep(12)
    for lines in (some[:12], fr.datasets.decode_sequences(chains.visible, "rna")):
        assert "\n".join(lines) in page.texts
    assert "examples 80, each of 7 columns" in page.text and "7 sites of 5 categories; hidden bernoulli" in page.text


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """(what the report on the survey returned, its page)"""
    path = tmp_path_factory.mktemp("survey") / "r.html"
    return report(*SURVEY, path, **FAST), Parsed(path)


def test_the_gain_over_independent_columns(survey):
    """By a direct count of the frequencies."""
    (_, Y), (score, page) = SURVEY, survey
    alone = 0.0
    for column, q in zip(Y.T, (3, 4, 2), strict=True):
        p = (np.bincount(column, minlength=q) + 1 / q) / 81
        alone += np.log(p)[column].mean()
    assert f"independent columns {alone:.2f} nats" in page.text
    assert f"is worth {score.mean - alone:.2f} nats per example" in page.text


def test_a_survey_has_bars_and_rows_of_labels(survey):
    (_, Y), (_, page) = SURVEY, survey
    alts = [image["alt"] for image in page.all("img")]
    assert sum(alt.startswith("The largest weights of hidden units") for alt in alts) == 3  # 5 units, in twos
    row = [("blue", "green", "red")[Y[0, 0]], str(Y[0, 1] + 1), ("no", "yes")[Y[0, 2]]]
    assert " ".join(["color", "<rooms>", "smokes", *row]) in page.text
    assert "on in the samples" in page.text and "color = " in page.text and "smokes = yes" in page.text


@pytest.mark.slow
def test_pixels_and_a_label(tmp_path):
    """Pictures of the pixels, bars of the label, and the labels in the places of the pictures."""
    rbm, Y = PICTURES
    report(rbm, Y, tmp_path / "r.html", **FAST)
    page = Parsed(tmp_path / "r.html")
    alts = [image["alt"] for image in page.all("img")]
    assert alts[0] == "Weights of hidden units over the pictures"
    assert "Samples of the model: 8 states, as pictures" in alts and "Data: 64 states, as pictures" in alts
    assert " ".join(map(str, Y[np.linspace(0, 79, 64).astype(int), 16][:8])) in page.text
    report(rbm, Y, tmp_path / "r.html", shape=(2, 8), **FAST)
    for shape in ((3, 3), (1, 3)):
        with pytest.raises(ValueError, match="shape must hold 16 units"):
            report(rbm, Y, tmp_path / "r.html", shape=shape, **FAST)
    with pytest.raises(ValueError, match="of which the model has none"):
        report(*SEQUENCES, tmp_path / "r.html", shape=(7, 5), **FAST)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rbm, Y",
    [
        SPINS,
        coded(fr.units.Categorical(1, 1)),
        coded(fr.units.Categorical(1, 255), hidden=1),
        coded(fr.units.Categorical(500, 2), hidden=2),
        coded(fr.units.Bernoulli(2), fr.units.Categorical(40, 3), names=tuple(f"q{k}" for k in range(42))),
        coded(fr.units.Bernoulli(3), fr.units.Spin(49), fr.units.Categorical(2, 12)),
    ],
    ids=["spins", "one category", "255 categories", "500 sites", "42 questions", "a picture of spins"],
)
def test_layers_of_any_kind(tmp_path, rbm, Y):
    report(rbm, Y, tmp_path / "r.html", **FAST)
    Parsed(tmp_path / "r.html")


# ---------------------------------------------------------------- real units


def reals(hidden="bernoulli", names=None):
    """A Gaussian visible model of two groups, columns of very different units, and its examples."""
    mean, scale = np.array([170.0, 0.01, -3.0]), np.array([10.0, 0.002, 1.0])
    visible = fr.units.Gaussian(3, mean=mean, scale=scale)
    rbm = fr.RBM(np.array([[0.8], [0.5], [-0.3]]) * np.ones((1, 2)) * 0.4, visible=visible, hidden=hidden)
    rbm._visible_names = names
    return rbm, mean + scale * np.random.default_rng(3).normal(size=(70, 3)) * [1, 0.5, 2]


SEGMENTS = [fr.units.Gaussian(2, mean=[5, 0], scale=[2, 1]), fr.units.Categorical(2, 3), fr.units.Bernoulli(1)]
FACES = fr.RBM(np.ones((64, 3)) / 20, visible=fr.units.Gaussian(64, mean=7.0, scale=3.0), hidden="relu")


def test_real_hidden_units_have_no_probabilities(tmp_path):
    """Means in their place, their inputs, and dead units: one whose weights are zero."""
    weights = np.array(RBM.weights)
    weights[:, 3] = 0.0
    rbm = fr.RBM(weights, RBM.visible_bias, hidden=fr.units.DReLU(12, delta=1.0, xi=0.5))
    table = fr.History()
    table.record(epoch=1, hidden_activity=2.5)
    report(rbm, X, tmp_path / "r.html", history=table, **FAST)
    page = Parsed(tmp_path / "r.html")
    means = rbm.mean_hidden(X).mean(axis=0, dtype=np.float64)
    for words in (
        "parameters of hidden units delta 1, xi 0.5, gamma 1",
        "parameters 868 ",  # 64 x 12 + 64 + 12, and delta and xi of 12 units
        f"means of hidden units on data {means.min():.4g} to {means.max():.4g}, median {np.median(means):.3g}",
        "dead hidden units 1 of 12 (the variance of E[h | v]",
        "Inputs of hidden units",
        "make it larger, blue ones smaller",
    ):
        assert words in page.text, words
    for words in ("P(h = 1", "likelier to be on", "on in the data"):
        assert words not in page.text
    alt = "Histograms of the inputs of the 6 hidden units of largest norms, and their means at these inputs"
    assert [image["alt"] for image in page.all("img")].count(alt) == 1


def test_real_columns_are_in_the_units_of_the_data(tmp_path):
    rbm, Y = reals(names=("height", "<tiny> $x$", "log"))
    score = report(rbm, Y, tmp_path / "r.html", **FAST)
    page = Parsed(tmp_path / "r.html")
    # columns by themselves are normal, with the means and variances of the data: by the density of the data's numbers;
    # the second column varies less than its unit does
    variance = Y.var(axis=0)
    wide = np.maximum(variance, rbm.visible.scale**2)
    alone = -0.5 * (np.log(2 * np.pi * wide) + variance / wide).sum()
    assert list(wide > variance) == [False, True, False]
    chains = fr.Chains(rbm, 8)
    chains.sweep(12)
    for words in (
        # values are kept in steps of 2^-12 of a scale: log variance is off by less than 1e-5
        f"independent columns {alone:.2f} nats per example",
        f"is worth {score.mean - alone:.2f} nats per example",
        "columns that never change 0 means of real columns",
        "parameters of visible units gamma 1, mean -3 to 170, scale 0.002 to 10",
        "unit types 3 gaussian; hidden bernoulli",
        "mean of P(h = 1 | v) on data",
        "<tiny> $x$ +0.20",
        *(
            f"{name} {data.mean():.4g} {data.std():.4g} {drawn.mean():.4g} {drawn.std():.4g}"
            for name, data, drawn in zip(rbm.visible_names, Y.T, chains.visible.T, strict=True)
        ),
        " ".join(f"{value:.4g}" for value in chains.visible[0]),
    ):
        assert words in page.text, words
    assert "categories that are not in them" not in page.text and "Single-site" not in page.source
    alts = [image["alt"] for image in page.all("img")]
    assert "Histograms of 3 real columns in data and samples" in alts
    assert "Means and standard deviations of 3 real columns" in alts
    assert any(alt.startswith("Pair correlations: r = ") for alt in alts)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rbm, Y",
    [
        (fr.RBM(np.ones((9, 2)) / 9, visible=SEGMENTS, hidden="drelu"), [[5.5, 0.5, 2, 0, 1], [4, -1, 1, 2, 0]] * 9),
        (fr.RBM([[0.5]], visible=fr.units.Gaussian(1), hidden="gaussian"), [[0.25]]),
        pytest.param(FACES, np.random.default_rng(0).normal(7, 3, (20, 64)), marks=pytest.mark.slow),
    ],
    ids=["mixed", "one of each", "pictures"],
)
def test_real_units_of_any_kind(tmp_path, rbm, Y):
    report(rbm, Y, tmp_path / "r.html", sample_weight=np.arange(1, len(Y) + 1), **FAST)
    page = Parsed(tmp_path / "r.html")
    assert " nan" not in page.text.lower()
    assert ("Single-site frequencies" in page.source) == any(n > 0 for n in rbm.visible.n_states_of_columns)
    assert ("Data: 20 states, as pictures" in [image["alt"] for image in page.all("img")]) == (rbm is FACES)
