"""Formulas of docstrings, which read as plain text in help(), as TeX for the site.

A docstring has a formula in single backticks, `p(v | h)`, or in indented lines of its own. The notation: W_ij and
gamma_plus have an index, W' is a transpose, <v s'>_data a mean, Greek letters have their names, sum_i and prod_i are
over i. A space on either side of < and > makes them relations.
"""

import re

GREEK = set("alpha beta gamma delta epsilon eta theta lambda mu pi rho tau phi xi sigma".split())
FUNCTIONS = {"log": r"\log", "exp": r"\exp", "min": r"\min", "max": r"\max", "det": r"\det"}
FUNCTIONS |= {"cosh": r"\cosh", "tanh": r"\tanh"}
FUNCTIONS |= {name: rf"\operatorname{{{name}}}" for name in ("cgf", "diag", "sigmoid", "sign", "softplus")}
SUMS = {"sum": r"\sum", "prod": r"\prod", "mean": r"\operatorname{mean}"}
KNOWN = FUNCTIONS | SUMS | {name: rf"\{name}" for name in GREEK}
SIGNS = {"plus": "+", "minus": "-"}
SYMBOLS = {
    "<-": r"\leftarrow ", "->": r"\to ", "<=": r"\leq ", ">=": r"\geq ", "+-": r"\pm ", "~": r"\sim ", "*": r"\cdot ",
    "<<": r"\langle ", ">>": r"\rangle ", "...": r"\ldots ", "%": r"\% ", "**": r"\ast ", "||": r"\mid ",
}  # fmt: skip
TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)|(?P<word>[A-Za-z]+(?:\d+[a-z]?)?)|(?P<transpose>')
    |(?P<symbol>\.\.\.|<-|->|<=|>=|\+-|[-+=/()\[\]{},;.:|<>~*%^_])""",
    re.VERBOSE,
)
CLOSING = {"(": ")", "{": "}", "[": "]"}


def tex(formula):
    """The TeX of a formula. ValueError where it is none."""
    tokens, place = [], 0
    while place < len(formula):
        found = TOKEN.match(formula, place)
        if not found:
            raise ValueError(f"no formula: {formula!r} at {formula[place:]!r}")
        text = found[0]
        before, after = formula[place - 1 : place] or " ", formula[found.end() : found.end() + 1] or " "
        if text == "<" and not after.isspace():
            text = "<<"
        elif text == ">" and not before.isspace():
            text = ">>"
        elif text == "*" and before.isalpha() and after in "_(":  # p*(v)
            tokens.append(("symbol", "^"))
            text = "**"
        elif text == "|" and before.isspace() and after.isspace():
            text = "||"
        tokens.append((found.lastgroup, text))
        place = found.end()
    return _of(tokens).strip()


def displayed(lines):
    """The lines of a docstring, with formulas where a block is indented more than the one before it: one a line."""
    out, above = [], 0
    for block in re.split(r"\n(?:[ ]*\n)+", "\n".join(lines)):
        rows = block.split("\n")
        first, last = (len(row) - len(row.lstrip()) for row in (rows[0], rows[-1]))
        if first > above and out and not rows[0].lstrip().startswith((">>>", "..", "- ")):
            for row in rows:
                out += [" " * above + ".. math::", "", " " * above + "    " + tex(row.strip()), ""]
        else:
            out, above = [*out, *rows, ""], last
    return out


def _of(tokens):
    out, tokens, token = "", list(tokens), None
    while tokens:
        before, token = token, tokens.pop(0)
        kind, text = token
        if kind == "space":
            sides = [side for side in (before, *tokens[:1]) if side and side[0] != "symbol"]
            out += r"\quad " if len(text) > 2 else r"\," if len(sides) == 2 and any(map(_is_prose, sides)) else " "
        elif text in "^_":
            out += text + "{" + (_above(tokens) if text == "^" else _below(tokens)) + "}"
        elif text == "sqrt" and tokens[:1] == [("symbol", "(")]:
            out += r"\sqrt{" + _of(_group(tokens)) + "}"
        elif tokens[:2] == [("symbol", "_"), ("word", "hat")]:
            out, tokens = out + rf"\hat{{{text}}}", tokens[2:]
        elif kind == "word" and _of_a_program(text, tokens):
            names = [text]
            while tokens[:1] == [("symbol", "_")]:
                names.append(tokens[1][1])
                tokens = tokens[2:]
            out += r"\mathrm{" + r"\_".join(names) + "}"
        elif kind == "word":
            out += _word(text)
        elif kind == "transpose":
            out += r"^{\top}"
        else:
            out += SYMBOLS.get(text, rf"\{text}" if text in "{}" else text)
    return out


def _is_prose(token):
    """Whether this is a word that stands upright, such as field."""
    return token[0] == "word" and _word(token[1]).startswith(r"\mathrm")


def _of_a_program(word, tokens):
    """Whether this is the first part of a name such as learning_rate."""
    long = [len(text) > 2 and text not in KNOWN for _, text in [(None, word), *tokens[1:2]]]
    return tokens[:1] == [("symbol", "_")] and all(long)


def _word(word):
    named, number = re.fullmatch(r"([A-Za-z]+)(.*)", word).groups()  # beta1, l1b
    if number:
        return f"{_word(named).strip()}_{{{number}}}"
    if word in KNOWN:
        return f"{KNOWN[word]} "
    if word[0] == "d" and word[1:] in GREEK:
        return rf"d \{word[1:]} "
    return " ".join(word) if len(word) < 3 else rf"\mathrm{{{word}}}"


def _group(tokens):
    """The tokens from the parenthesis that is next to the one that closes it, without these; all are taken away."""
    opening, depth, inside = tokens.pop(0)[1], 1, []
    while tokens:
        token = tokens.pop(0)
        depth += (token[1] == opening) - (token[1] == CLOSING[opening])
        if depth == 0:
            return inside
        inside.append(token)
    raise ValueError(f"a formula lacks a {CLOSING[opening]}")


def _next(tokens):
    if not tokens or tokens[0][0] == "space":
        raise ValueError("a formula lacks an index or exponent")
    return tokens.pop(0)


def _below(tokens):
    """An index: ij, plus, model, {s+t}, {known i}."""
    if tokens[:1] in ([("symbol", "{")], [("symbol", "(")]):
        inside = _group(tokens)
        words = [text for kind, text in inside if kind == "word" and len(text) > 2]
        return "".join(r"\;" if words and kind == "space" else _of([(kind, text)]) for kind, text in inside)
    first = _next(tokens)
    return SIGNS.get(first[1]) or _of([first])


def _above(tokens):
    """An exponent: 2, -22, (n+1), -e, min(V, H)."""
    if tokens[:1] in ([("symbol", "{")], [("symbol", "(")]):
        return _of(_group(tokens))
    sign = tokens.pop(0)[1] if tokens[:1] == [("symbol", "-")] else ""
    first = _next(tokens)
    call = tokens[:1] == [("symbol", "(")] and first[1] in FUNCTIONS
    return sign + _of([first]) + (f"({_of(_group(tokens))})" if call else "")
