"""The words of the field, one for one thing: in code, messages, documents and tests."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("fastrbm", "src", "tests", "docs", "bench", "examples", "tools")
NAMES = ("README.md", "CONTRIBUTING.md", "pyproject.toml", "setup.py")
SUFFIXES = {".py", ".pyi", ".pyx", ".pxd", ".pxi", ".h", ".c", ".md", ".toml", ".sh"}
NOT_READ = {"tests/test_words.py", "bench/NOTES.md"}  # the list itself; the diary of what was tried

# what must not be there, and what to write
EVERYWHERE = {
    r"(?<![a-z])laws?(?![a-z])": "distribution (conditional, of the model)",
    r"(?<![a-z])twins?(?![a-z])": "reference implementation",
    r"\b(nats|units|one|each|every|many|no|of) a? ?cases?\b|n_cases\b": "example: a row of data",
    r"snapshot\.sample\b": "snapshot.examples; a sample is a draw from the model",
    r"by heart": "overfitting",
    r"(?<![a-z])told(?![a-z])": "reported; accuracy, for 'told right'",
    r"gr[ea]y values|\bdraw=(True|False)|--draw\b": "real-valued data in [0, 1]; dynamic_binarization",
    r"held[ _](units|states)|\bunits? (are |is )?held\b(?! out| back)|[Hh]old(s|ing)? units|class Held": "clamped",
    r"fr\.monitor|\bmeasures=|_measures\b|[Mm]easures of|\b[Aa] measure\b": "metrics, a metric",
    r"EarlyStopping\([^)\n]*(least|smaller)=": "min_delta, mode",
    r"centr(e|es|ed|ing)(?![a-z])|--plain\b": "center, centered, centering; --uncentered",
    r"validation[_ ]gap": "free_energy_gap; shuffled_gap is that of shuffled data",
    r"(?<![a-z])bracket(?![a-z])": "bidirectional",
    r"(?<![a-z])journeys?(?![a-z])": "round trip",
    r"idle (hidden |visible )?units?\b": "dead unit",
    r"spread_out|give_way": "avoid_core_sharing, yield_cpu",
    r"[Tt]ake care\b": "Warning",
    r"(?<![a-z])doors?(?![a-z])": "entry point, interface",
}
SHIPPED = {  # in the package, its sources, its documents and scripts
    r"(?<![a-z])cases?(?![a-z])": "example: a row of data",
    r"\b(nats|units) an? example\b": "nats per example, units per example",
    r"\bon_grid\b": "to_fixed_point, quantized_weights",
    r"class (Cases|Phase)\b|struct Cases\b": "OrderedExamples, PhaseStates, Sums: one name for one thing",
    r"\bwants\b|\bwanted\b": "requires, required, requested",
    r"\bthe face\b": "estimator, interface",
}
KERNELS = {
    r"\blots?\b": "work queue",
    r"\bMeeting\b|\bmeet\(": "Barrier, wait",
    r"\b(n_shares|share_length|job\.share)\b": "slice",
    r"(?<![a-z])stamp(?![a-z])": "cache key",
    r"\b(ALL|POSITIVE)_DIGITS\b": "limbs",
    r"\bROOM(_|\b)|\broom_for\b": "capacity; place_for",
}
BRITISH = re.compile(  # of lower-case text: twice as fast as a pattern that ignores case
    r"(col|hon|fav|neighb|behavi|lab|flav)our|gr[e]y|lic[e]nce|artef|judgem|catalogue|analyse|towards"
    r"|(optim|regular|normal|initial|binar|recogn|serial|parallel|summar|minim|maxim|general|vector|random|organ|marginal"
    r"|discret|factor|character|special|standard|quant|memor|symmetr|penal|visual)is(e|es|ed|er|ers|ing|ation)\b"
    r"|\b(label|model|cancel|travel|signal)l(ed|ing)\b"
)
ALLOWED = re.compile(r"lower ?case|upper ?case|test cases?\b|in case\b|in both cases|sm2008_binarized")


def files():
    found = [ROOT / name for name in NAMES]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES and "_build" not in path.parts]
    names = {path.relative_to(ROOT).as_posix(): path for path in sorted(found)}
    return {name: path for name, path in names.items() if name not in NOT_READ}


@cache
def rules(folder):
    """(compiled patterns all in one, patterns one by one) of a folder's files, but for the British ones."""
    listed = dict(EVERYWHERE)
    if folder not in ("tests", "tools"):
        listed |= SHIPPED
    if folder == "src":
        listed |= KERNELS
    return re.compile("|".join(f"(?:{pattern})" for pattern in listed)), listed


def old_words(name, text):
    """Of each old word of a file: where it is, and what to write."""
    text = ALLOWED.sub(lambda match: "x" * len(match[0]), text)
    every, listed = rules(name.split("/")[0])
    found = [(match, "American spelling") for match in BRITISH.finditer(text.lower())]
    for match in every.finditer(text):
        new = next(new for pattern, new in listed.items() if re.compile(pattern).match(text, match.start()))
        found.append((match, new))
    for match, new in found:
        number = text.count("\n", 0, match.start()) + 1
        yield f"{name}:{number}: {match[0]!r}; write: {new}"


def test_old_words_are_gone():
    found = []
    for name, path in files().items():
        found += [*old_words(name, name), *old_words(name, path.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "name, text",
    [
        ("docs/x.md", "the model's law"), ("tests/test_x.py", "def test_the_law():"), ("fastrbm/x.py", "n_cases = 3"),
        ("docs/x.md", "-84 nats a case"), ("tests/test_x.py", "has 3 units a case"), ("README.md", "learned by heart"),
        ("src/x.pxi", "cdef int lot"), ("fastrbm/x.py", 'row["validation_gap"]'), ("docs/x.md", "grey values"),
        ("docs/x.md", "The colour of a neighbouring pixel"), ("fastrbm/x.py", "Binarised"), ("docs/x.md", "modelling"),
        ("docs/x.md", "fit(draw=True)"), ("tests/test_x.py", 'fr.EarlyStopping("x", least=1.0)'),
        ("fastrbm/x.py", "-17 nats an example"), ("fastrbm/_cases.py", "fastrbm/_cases.py"), ("src/x.pxi", "stamp"),
        ("src/x.pxi", "ROOM = 64"),
        ("tests/x.py", "units that are held, a held unit, held units"), ("README.md", "Take care: no"),
    ],
)  # fmt: skip
def test_an_old_word_is_found(name, text):
    assert list(old_words(name, text))


def test_other_words_are_not():
    text = (
        "In lowercase; test cases; in case; the distribution of an example; a flaw; held-out data; to draw; measured."
    )
    assert not list(old_words("docs/x.md", text)) and len(files()) > 150
