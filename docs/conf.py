"""Settings of the documentation site: python -m sphinx -W --keep-going -b html docs docs/_build"""

import importlib
import inspect
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes

sys.path.insert(0, str(Path(__file__).parent))
import formulas

import fastrbm
from fastrbm.cli.commands import build_parser, command_parser

project = "fastrbm"
author = "the fastrbm developers"
version = release = fastrbm.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "fastrbm"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
highlight_language = "none"

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"  # the docstrings say more: shapes, ranges, units
napoleon_google_docstring = False
default_role = "formula"  # what docstrings have in single backticks

# Pages link to files outside docs/ as one reads them in the source tree. On the site, these are pages too.
OUTSIDE = {"../src/README.md": "core.md", "../CHANGELOG.md": "changelog.md"}


class CommandHelp(Directive):
    """What 'fastrbm COMMAND --help' prints."""

    required_arguments = 1

    def run(self):
        text = command_parser(build_parser(), self.arguments[0]).format_help()
        return [nodes.literal_block(text, text)]


class Names(Directive):
    """The public names of a module or class, or those that are listed, with the first sentence of each."""

    required_arguments = 1
    has_content = True

    def run(self):
        path = self.arguments[0]
        module, _, attribute = path.rpartition(".") if path[path.rfind(".") + 1].isupper() else (path, "", "")
        owner = importlib.import_module(module)
        owner = getattr(owner, attribute) if attribute else owner
        lines = [f".. currentmodule:: {module}", "", ".. list-table::", "   :class: names", ""]
        for name in self.content or getattr(owner, "__all__", None) or members_of(owner):
            thing = owner
            for part in name.split("."):
                thing = getattr(thing, part)
            if inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, property):
                first = " ".join(inspect.getdoc(thing).split("\n\n")[0].split())
                sentence = re.split(r"(?<=[^.][.]) (?=[A-Z(])", first)[0]
                lines += [f"   * - :py:obj:`{name} <{path}.{name}>`", f"     - {sentence}"]
        node = nodes.container()
        self.state.nested_parse(StringList(lines), self.content_offset, node)
        return node.children


def members_of(kind):
    """The public methods and properties of a class, as its page has them: its own in their order, then its bases'."""
    names = [name for base in kind.__mro__ if base is not object for name in vars(base) if not name.startswith("_")]
    return [name for name in dict.fromkeys(names) if inspect.getdoc(inspect.getattr_static(kind, name))]


THIN = '<mspace width="0.17em"/>'


def mathml(node, as_block=False):
    """The formula of a node. TeX has a thin space on either side of a log, unless a parenthesis follows."""
    text = tex2mathml(node.astext(), as_block=as_block)
    text = re.sub(r'(<mo>&ApplyFunction;</mo>)(?!\s*<mo stretchy="false">\()', rf"\1{THIN}", text)
    return re.sub(r"(</(?:mi|mn|msub|msup|mrow)>\s*)(<mi>log</mi>)", rf"\1{THIN}\2", text)


def inline_formula(translator, node):
    translator.body.append(mathml(node))
    raise nodes.SkipNode


def displayed_formula(translator, node):
    translator.body.append(f'<div class="formula">{mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def formula(name, rawtext, text, lineno, inliner, options=None, content=()):
    """A formula of a docstring, `p(v | h)`."""
    try:
        tex = formulas.tex(text.replace("\0", ""))
    except ValueError as error:
        message = inliner.reporter.error(str(error), line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]
    return [nodes.math(rawtext, tex)], []


def formulas_in_lines_of_their_own(app, what, name, obj, options, lines):
    """What is indented in a docstring, and no item of a section, is a formula on each line."""
    lines[:] = formulas.displayed(lines)


def links_on_the_site(app, docname, source):
    for there, here in OUTSIDE.items():
        source[0] = source[0].replace(f"]({there}", f"]({here}")


def short_name(app, env, node, contnode):
    """Docstrings name classes as users do, gradient.PCD or RBM: look for them under fastrbm."""
    target = node.get("reftarget", "")
    if node.get("refdomain") == "py" and re.match(r"^[A-Za-z_.]+$", target) and not target.startswith("fastrbm."):
        node["reftarget"] = f"fastrbm.{target}"
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, contnode)
    return None


def has_docstring(value):
    """Whether it has one of its own: a default value has that of its type."""
    return hasattr(value, "__get__") and bool(inspect.getdoc(value))


def attributes_by_name(app, what, name, obj, options, lines):
    """Each attribute of a class under its own name, each of 'value, lower, upper' too. This stands in place of
    napoleon's list, which loses such names and those that end in an underscore. Properties have docstrings."""
    text = "\n".join(lines)
    section = re.search(r"^Attributes\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}$|\Z)", text, re.DOTALL | re.MULTILINE)
    if what != "class" or not section:
        return
    described = ""
    for names, _, kind, body in re.findall(
        r"^(\w[\w, ]*)( : (.*))?\n((?:[ \t]+.*\n|\n)*)", section[1] + "\n", re.MULTILINE
    ):
        own = [name for name in names.split(", ") if not has_docstring(inspect.getattr_static(obj, name, None))]
        if own:
            described += ".. attribute:: " + "\n               ".join(own) + "\n\n"
            described += f"    *{kind}*\n\n" * bool(kind) + body.rstrip() + "\n\n"
    lines[:] = (text[: section.start()] + text[section.end() :] + "\n\n" + described).split("\n")


def shapes_are_no_links(app, doctree):
    """The n of a type such as 'array (n, columns)' is no attribute of that name."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node.get("refspecific") and re.match(r"^[a-z]\w*$", node.get("reftarget", "")):
            node.replace_self(node.children)


def setup(app):
    app.connect("doctree-read", shapes_are_no_links)
    app.add_role("formula", formula)
    app.connect("autodoc-process-docstring", formulas_in_lines_of_their_own, priority=300)
    app.connect("autodoc-process-docstring", attributes_by_name, priority=400)  # before napoleon, at 500
    # MathML, which browsers draw by themselves: the site needs no script and no font from anywhere.
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
    app.add_directive("command-help", CommandHelp)
    app.add_directive("names", Names)
    app.connect("source-read", links_on_the_site)
    app.connect("missing-reference", short_name)
