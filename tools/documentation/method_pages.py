"""Generates a page for each method from the table of methods.

This is a hook of MkDocs. The table is `kprune.methods()`. Measurements of a
method are read from the tables of `docs/reproductions`: the rows that begin
with its name.
"""

import dataclasses
import functools
import inspect
import pathlib
import re
import textwrap

from mkdocs.structure.files import File

import kprune
from kprune.runtime import methods

# The groups of the navigation by the beginning of a method's call; the first
# match counts.
GROUPS = {
    "kprune.prune": "Before or after training",
    "kprune.allocation.": "Before or after training",
    "kprune.callbacks.DynamicSparseTraining": "Dynamic sparse training",
    "kprune.callbacks.EarlyBird": "Lottery tickets",
    "kprune.callbacks.": "While training",
    "kprune.training.": "While training",
    "kprune.select": "Learned masks",
    "kprune.learned.": "Learned masks",
    "kprune.tickets.": "Lottery tickets",
    "kprune.kept_weights.": "What becomes of kept weights",
    "kprune.sanity.": "Sanity checks",
    "": "Others",
}
SYMBOLS = (
    "$w$ are the weights, $m$ the mask, $g$ and $H$ gradient and Hessian of "
    "the training loss at $w \\odot m$. The highest scores are kept."
)


def on_config(config):
    """Adds the pages to the navigation, by group."""
    groups = {}
    for name, method in kprune.methods().items():
        begins = next(one for one in GROUPS if method.call.startswith(one))
        group = groups.setdefault(GROUPS[begins], [])
        group.append({method.title: path(name)})
    for section in config.nav:
        if "Methods" in section:
            section["Methods"] += [{g: groups[g]} for g in sorted(groups)]
    return config


def on_files(files, config):
    """Adds the generated pages, which are not on disk."""
    docs = pathlib.Path(config.docs_dir)
    for name in kprune.methods():
        content = page(name, docs)
        files.append(File.generated(config, path(name), content=content))
    return files


def path(name):
    """Returns the path of a method's page in the docs."""
    return f"methods/{name}.md"


def page(name, docs):
    """Returns the page of a method.

    Args:
        name: String, the method's name.
        docs: Path of the docs, whose reproductions are searched.
    """
    method = kprune.methods()[name]
    function = implementation(method)
    variants = [m for m in methods.entries() if m.name == name and m != method]
    parts = [
        f"# {method.title}",
        first_line(function),
        f"```python\n{method.call}\n```",
        f"**Source**: {source(method)}.",
        *formula(method, function),
        *defaults(method, function),
    ]
    if method.deviation:
        parts += ["## Departures from the paper", sentence(method.deviation)]
    if variants:
        rows = ["| variant | call | source | departures |", "|---|---|---|---|"]
        rows += [
            f"| {m.title} | `{m.call}` | {source(m)} | {m.deviation} |"
            for m in variants
        ]
        parts += ["## Variants", "\n".join(rows)]
    found = measured(name, docs)
    if found:
        parts += ["## Measured", *found]
    test, _, case = method.test.partition("::")
    parts += [
        "## Checked",
        f"`{case}` in `{test}`.",
    ]
    return "\n\n".join(parts) + "\n"


def implementation(method):
    """Returns the function or class of a method: the criterion, the function
    that builds it, or the one that its call names."""
    if method.name in kprune.criteria.names():
        return kprune.criteria.get(method.name)
    if callable(method.build):
        return method.build
    names = method.call.partition("(")[0].split(".")
    return functools.reduce(getattr, names[1:], kprune)


def first_line(function):
    """Returns the first paragraph of a docstring."""
    text = inspect.getdoc(function) or ""
    return text.partition("\n\n")[0]


def source(method):
    """Returns the paper, with its link if it has one."""
    return f"[{method.paper}]({method.link})" if method.link else method.paper


def formula(method, function):
    """Returns a list with the formula of the entry, or of the docstring."""
    if method.formula:
        said = [SYMBOLS] if of_the_loss(method) else []
        return ["## Formula", f"$$\n{method.formula}\n$$", *said]
    text = (inspect.getdoc(function) or "").partition("Args:")[0]
    blocks = re.findall(r"(?:^ {4}.*\n?)+", text, re.M)
    if not blocks or "model." in blocks[0]:  # Code, not a formula.
        return []
    written = "\n".join(textwrap.dedent(block).rstrip() for block in blocks)
    return ["## In short", f"```text\n{written}\n```"]


def of_the_loss(method):
    """Returns whether a formula uses letters of `SYMBOLS`."""
    if method.used_by != "prune" or method.measures_inputs:
        return False
    letters = re.search(r"(?<![a-z\\])[wgH](?![a-z])", method.formula)
    return letters is not None and not method.channels_only


def defaults(method, function):
    """Returns a list with the table of a method's default arguments."""
    rows = {}
    if method.used_by == "prune":
        pruner = kprune.recipes.get(method.name)
        rows |= fields(pruner)
    for one in filter(callable, (function, method.build)):
        for name, parameter in inspect.signature(one).parameters.items():
            if parameter.default is not parameter.empty:
                rows.setdefault(name, parameter.default)
    if not rows:
        return []
    table = ["| argument | default |", "|---|---|"]
    table += [f"| `{name}` | `{shown(v)}` |" for name, v in rows.items()]
    return ["## Defaults", "\n".join(table)]


def fields(pruner):
    """Returns the axes of a pruner by name; empty if it has none."""
    if not dataclasses.is_dataclass(pruner) or not hasattr(pruner, "schedule"):
        return {}
    names = ("granularity", "schedule", "rounds", "recover", "fresh_batches")
    rows = {name: getattr(pruner, name) for name in names}
    rows["allocation"] = pruner.allocation_used
    if pruner.scoring is not None:
        rows["scoring"] = pruner.scoring
    return rows


def shown(value):
    """Returns a value as a table shows it."""
    text = getattr(value, "__name__", None) or repr(value)
    return text.replace("|", "\\|")


def sentence(text):
    """Returns a text with an initial capital and a full stop."""
    return text[0].upper() + text[1:].rstrip(".") + "."


def measured(name, docs):
    """Returns a list of the tables of the reproductions, reduced to the rows
    that begin with a name, each after a link to its page."""
    found = []
    for file in sorted((docs / "reproductions").glob("*.md")):
        page = file.read_text()
        title = page.partition("\n")[0].lstrip("# ")
        for table in re.findall(r"(?:^\|.*\n)+", page, re.M):
            head, line, *rows = table.splitlines()
            own = [row for row in rows if row.startswith(f"| `{name}` |")]
            text = "\n".join([head, line, *own])
            # The same runs may stand in two comparisons.
            if own and text not in found:
                link = f"From [{title}](../reproductions/{file.name}):"
                found += [link, text]
    return found
