"""The tables and the chart of bench/compare.py."""

import platform
import re
from pathlib import Path

import numpy as np

from fastrbm._core import dispatch
from fastrbm._core.threads import default_threads

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
SLOWER = "## Where fastrbm is slower"


def of(rows, size, n_chains):
    """{(step, contender): (seconds, peak MB)} of one size and number of chains."""
    return {(kind, name): (s, mb) for sz, n, kind, name, s, mb in rows if (sz, n) == (size, n_chains)}


def table(rows, steps, size, n_chains):
    """Lines: a row a contender, milliseconds and the ratio of NumPy's time to its own for each step."""
    found = of(rows, size, n_chains)
    names = list(dict.fromkeys(name for _, name in found))
    lines = [f"\n{size}, {n_chains} chains; ratio: NumPy's time over its own"]
    lines.append(f"{'':<16}" + "".join(f"{step + ' ms':>18} {'ratio':>6}" for step in steps) + f"{'peak MB':>9}")
    for name in names:
        line, memory = f"{name:<16}", 0.0
        for step in steps:
            if (step, name) not in found:
                line += f"{'-':>18} {'-':>6}"
                continue
            seconds, memory = found[step, name]
            base = found.get((step, "NumPy"), (float("nan"),))[0]
            line += f"{1e3 * seconds:>18.3f} {base / seconds:>6.2f}"
        lines.append(line + f"{memory:>9.0f}")
    return lines


def rates(rows, size, n_chains):
    """What fastrbm's sweep comes to in the field's units."""
    n_visible, n_hidden = map(int, size.split("x"))
    seconds = of(rows, size, n_chains)["sweep", "fastrbm"][0]
    return (
        n_chains / seconds,
        n_chains * (n_visible + n_hidden) / seconds * 1e-9,
        2 * n_chains * n_visible * n_hidden / seconds,
    )


def machine():
    levels = ", ".join(dispatch.available_levels())
    threads = default_threads()
    return f"{platform.system()} {platform.machine()}, {threads} threads, levels {levels}, NumPy {np.__version__}"


def by_hand(page):
    """The sections of the page that write does not make."""
    sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return [section.rstrip() for section in sections if not re.match(rf"## \d+x\d+, |{SLOWER}", section)]


def write(rows, steps):
    """docs/benchmarks.md and docs/speed.svg. Sections of the page that are written by hand stay."""
    kept = by_hand((DOCS / "benchmarks.md").read_text(encoding="utf-8"))
    settings = list(dict.fromkeys((size, n) for size, n, *_ in rows))
    text = [
        "# Benchmarks",
        "",
        "Made by `python bench/compare.py --write`, which leaves other sections than its own as they are. Medians in",
        "milliseconds, equal threads for all, results checked before they are timed. *ratio*: the time of well-written",
        "NumPy as shipped over the contender's own: below 1 is slower than NumPy. *peak MB*: of the contender's whole",
        "process, its libraries and the float copies of its data included.",
        "",
        f"Machine: {machine()}.",
        "**Other machines, sizes and versions give other numbers: run it on yours.** `NumPy, SkylakeX` is NumPy with",
        "OPENBLAS_CORETYPE=SkylakeX, the faster of OpenBLAS's kernels on an AVX-512 machine, which it does not pick by",
        "itself on every CPU. `fastrbm, AVX-512` and `fastrbm, AVX2` are fastrbm held to these. PyTorch is tuned",
        "(`addmm`, in-place). What a library does not offer is left out. `pip install -e '.[bench]'` gets what the",
        "script needs, but for PyTorch and rbms.",
        "bench/NOTES.md has the limits of the machine and what was tried.",
        "",
        "![Speed against NumPy](speed.svg)",
    ]
    for size, n_chains in settings:
        text += ["", f"## {size}, {n_chains} chains", "", "```"]
        text += table(rows, steps, size, n_chains)[1:]
        sweeps, units, connections = rates(rows, size, n_chains)
        text += ["```", "", f"fastrbm: {sweeps:.3g} chain-sweeps/s, {units:.2f} unit updates/ns, "]
        text[-1] += f"{connections:.3g} connection updates/s."
    losses = [
        f"{kind}, {size}, {n} chains: {name} takes {s / of(rows, size, n)[kind, 'fastrbm'][0]:.2f} of fastrbm's time"
        for size, n, kind, name, s, _ in rows
        if not name.startswith("fastrbm") and s < of(rows, size, n)[kind, "fastrbm"][0]
    ]
    for section in kept:
        text += ["", section]
    text += ["", SLOWER, ""] + ([f"- {loss}" for loss in losses] or ["Nowhere in these tables."])
    (DOCS / "benchmarks.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    chart(rows, DOCS / "speed.svg")


def chart(rows, path):
    """Ratios to NumPy at 784x500 against the number of chains, a panel for sweeps and one for updates."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "fastrbm"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7.2, 3.8), sharey=True, layout="constrained")
    chains = sorted({n for size, n, *_ in rows if size == "784x500"})
    for axis, kind in zip(axes, ("sweep", "PCD-1 update"), strict=True):
        names = list(dict.fromkeys(name for size, _, k, name, *_ in rows if size == "784x500" and k == kind))
        for name in names:
            ratios = [of(rows, "784x500", n)[kind, "NumPy"][0] / of(rows, "784x500", n)[kind, name][0] for n in chains]
            ours = name.startswith("fastrbm")
            axis.plot(chains, ratios, "o-" if ours else "s--", label=name, linewidth=2 if ours else 1, markersize=4)
        axis.set_xscale("log", base=2)
        axis.set_xticks(chains, [f"{n:,}" for n in chains])
        axis.set_xlabel("chains, examples per batch" if kind != "sweep" else "chains")
        axis.set_title(f"{kind}, 784 x 500")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("times as fast as NumPy as shipped")
    axes[0].set_ylim(bottom=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path, metadata={"Date": None})
