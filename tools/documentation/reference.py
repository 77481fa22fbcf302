"""Generates the pages of the API reference, one per public package.

This is a hook of MkDocs. The public names are read from the sources, without
importing TensorFlow: they are the names in `__all__` of `kprune` and of each
package and module among these. Of a module without `__all__`, they are its own
functions and classes.
"""

import functools
import importlib
import inspect
import pathlib

import griffe
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[2]
# Packages for those who extend kprune, which no `__all__` leads to.
DEEPER = (
    "kprune.analysis.report",
    "kprune.analysis.sensitivity",
    "kprune.callbacks.dynamic",
    "kprune.callbacks.regularization",
    "kprune.deploy.comparison",
    "kprune.deploy.exporting",
    "kprune.deploy.shrink",
)
# Further functions on a page: those whose options the public ones take.
BEHIND = {"kprune.models": ("conv.conv_net", "resnet.resnet", "vgg.vgg")}


def on_config(config):
    """Adds the pages to the navigation."""
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [
        str(ROOT)
    ]
    pages = [{name: path(name)} for name in public()]
    for section in config.nav:
        if "API reference" in section:
            section["API reference"] += pages
    return config


def on_files(files, config):
    """Adds the generated pages, which are not on disk."""
    seen = {}
    for name, (module, members) in public().items():
        content = page(name, module, members, seen)
        files.append(File.generated(config, path(name), content=content))
    return files


def path(name):
    """Returns the path of a package's page in the docs."""
    return f"api/{name}.md"


def page(name, module, members, seen):
    """Returns a page: the package's docstring, then each public name.

    What has several public names is described under the first of them. `seen`
    is a dict from its path in the source to that name.
    """
    text = module.docstring.value if module.docstring else ""
    parts = [f"# `{name}`", text]
    for member in members:
        shown = f"{name}.{member}"
        if _kind(module, member) == "attribute" and member.islower():
            parts.append(_made(shown))
            continue
        source = _target(module, member).path
        first = seen.setdefault(source, shown)
        if first == shown:
            parts.append(_written(shown, source))
        else:
            place = f"{first.rpartition('.')[0]}.md#{first}"
            parts.append(
                f"## `{shown}` {{ #{shown} }}\n\nSee [`{first}`]({place})."
            )
    for one in BEHIND.get(name, ()):
        parts.append(_written(f"{name}.{one}", f"{name}.{one}"))
    return "\n\n".join(parts) + "\n"


def _written(name, path):
    """Returns the entry of an object, by its path in the source.

    The path differs from the public name where a function has its module's
    name: griffe, unlike Python, takes that name for the module.
    """
    anchor = "" if name == path else f"[](){{ #{name} }}\n\n"
    return (
        f"{anchor}::: {path}\n    options:\n"
        f"      heading: {name}\n      toc_label: {name.rpartition('.')[2]}\n"
    )


def _made(name):
    """Returns the entry of a function that is created at run time; the
    function is imported for it."""
    first, *rest = name.split(".")
    function = functools.reduce(getattr, rest, importlib.import_module(first))
    signature = f"{name}{inspect.signature(function)}"
    return (
        f"## `{name}` {{ #{name} }}\n\n```python\n{signature}\n```\n\n"
        f"{inspect.getdoc(function) or ''}"
    )


def public(root=ROOT):
    """Returns the public names of kprune.

    Returns:
        Dict from a package's public path, such as `"kprune.sanity"`, to a
        pair: its griffe module, and the sorted names of its functions, classes
        and values.
    """
    kprune = griffe.load("kprune", search_paths=[str(root)])
    found, seen = {}, set()
    left = [("kprune", kprune)]
    left += [(one, kprune[one.partition(".")[2]]) for one in DEEPER]
    while left:
        name, module = left.pop(0)
        if module.path in seen:
            continue
        seen.add(module.path)
        members = [m for m in _names(module) if not m.startswith("__")]
        inner = {m for m in members if _kind(module, m) == "module"}
        left += [(f"{name}.{m}", _target(module, m)) for m in sorted(inner)]
        found[name] = module, sorted({*members} - inner, key=str.lower)
    return dict(sorted(found.items()))


def _names(module):
    """Returns the public names of a module."""
    if module.exports is not None:
        return [name for name in _exports(module) if name in module.members]
    return [
        name
        for name, member in module.members.items()
        if not member.is_alias
        and not name.startswith("_")
        and (member.is_function or member.is_class or _is_made(member))
    ]


def _is_made(member):
    """Returns whether a call creates the member, and it is not a constant."""
    made = member.is_attribute and isinstance(member.value, griffe.ExprCall)
    return made and member.name.islower()


def _exports(module):
    """Returns `__all__`; an unpacked name in it stands for everything that the
    module imports from its own package."""
    names = [name for name in module.exports if isinstance(name, str)]
    if len(names) == len(module.exports):
        return names
    own = [
        name
        for name, member in module.members.items()
        if member.is_alias
        and member.target_path.startswith(f"{module.path}.")
        and _kind(module, name) in ("attribute", "function")
    ]
    return [*names, *own]


def _target(module, name):
    """Returns the object that a name refers to, or `None` if not found."""
    member = module.members[name]
    try:
        target = member.final_target if member.is_alias else member
    except griffe.AliasResolutionError:
        return None
    inner = target.members.get(target.name)
    same = target.is_module and inner is not None
    return inner if same and not inner.is_alias else target


def _kind(module, name):
    """Returns "module", "class", "function" or "attribute" for a name."""
    target = _target(module, name)
    return "attribute" if target is None else target.kind.value
