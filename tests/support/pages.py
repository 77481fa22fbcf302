"""The code blocks of the README and the docs, and how each is tested.

A block of Python runs, after those above it on its page. A shell command is
parsed by the command that it names, which must know its flags and its config.
`EXCERPTS` and `OTHERS` list the blocks of neither kind.
"""

import dataclasses
import importlib.util
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).parents[2]
SHELL = ("", "sh", "bash")
# Fragments in the language "py" and entries for other programs, by page.
EXCERPTS = {
    "README.md": "bibtex",
    "docs/contributing/add_a_criterion.md": "py",
}
# Programs of others, by the page that uses them.
OTHERS = {
    "docs/how-to/deployment.md": ("docker", "curl"),
    "docs/how-to/migrating_from_tfmot.md": (
        "tfmot-env/bin/pip",
        "tfmot-env/bin/python",
    ),
    "docs/how-to/reliability.md": (),
    "docs/how-to/scaling.md": (
        "apt-get",
        "chown",
        "mkdir",
        "sbatch",
        "scancel",
        "sinfo",
        "slurmctld",
        "slurmd",
        "su",
    ),
}
# What blocks need besides the extra `test`, by a name that they use.
NEEDS = {
    "ai_edge_litert": "ai_edge_litert",
    "keras_hub": "keras_hub",
    "GPTQConfig": "keras_hub",
    "pandas": "pandas",
}
# What stands before the first block of a page that shows several fragments.
SETUPS = {
    "docs/how-to/tracking.md": """
import kprune
kprune.experiment.run(
    {"pruner": {"method": "snip", "sparsity": 0.9}, "training": {"epochs": 1}},
    "runs/one", verbose=0)
""",
    "docs/methods/index.md": """
import keras, kprune, networks, numpy as np
x, y = networks.examples(64, 6, 6, 2)
train = data = networks.batched(x, y, 16)
model = keras.Sequential([
    keras.Input((6, 6, 2)),
    keras.layers.Conv2D(4, 3, name="conv"),
    keras.layers.BatchNormalization(),
    keras.layers.ReLU(),
    keras.layers.Flatten(),
    keras.layers.Dense(8, "relu", name="block_1"),
    keras.layers.Dense(8, "relu", name="block_2"),
    keras.layers.Dense(3, "softmax", name="out"),
])
model.compile("sgd", "sparse_categorical_crossentropy")
class FeedForward(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(8, "relu")
        self.outer = keras.layers.Dense(4)
    def build(self, shape):
        self.inner.build(shape)
        self.outer.build((*shape[:-1], 8))
        super().build(shape)
    def call(self, inputs):
        return inputs + self.outer(self.inner(inputs))
sequences = networks.examples(8, 5, 4)[0], np.zeros((8, 5), "int32")
transformer = keras.Sequential(
    [keras.Input((5, 4)), *(FeedForward() for _ in range(4)),
     keras.layers.Dense(3)]
)
def my_function(objective, weights, masks):
    return {name: abs(w) for name, w in weights.items()}
""",
}


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Args:
        page: String, the page's path in the repository.
        line: Integer, the line of the page on which the fence opens.
        language: String after the fence.
        text: String, what the block holds.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"

    @property
    def kind(self):
        """`"python"`, `"shell"`, `"excerpt"`, or `None`: nothing tests it."""
        if self.language == "python":
            return "python"
        if self.language in SHELL:
            return "shell"
        if EXCERPTS.get(self.page) == self.language:
            return "excerpt"
        return None

    def needs(self):
        """Returns the modules that the block needs and that are not there."""
        return [
            module
            for word, module in NEEDS.items()
            if word in self.text and not importlib.util.find_spec(module)
        ]


def pages():
    """Returns the paths of the pages. The tutorials have tests of their own."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    found += sorted((ROOT / "docs").rglob("*.md"))
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return [n for n in names if not n.startswith("docs/tutorials/")]


def blocks(page):
    """Returns the blocks of a page, in order."""
    text = (ROOT / page).read_text()
    return [
        Block(page, text.count("\n", 0, m.start()) + 1, m[2], m[3])
        for m in re.finditer(
            r"^( *)```([^\n]*)\n(.*?)^\1```", text, re.S | re.M
        )
    ]


def fences(page):
    """Returns how many lines of a page open or close a block."""
    return len(re.findall(r"^ *(?:```|~~~)", (ROOT / page).read_text(), re.M))


def commands(block):
    """Returns the commands of a block: lists of words.

    Comments, `export`, values set for one command, `taskset` and the text of
    a here-document are left out. `...` stands for the flags of the command
    before.
    """
    text = re.sub(r"\\\n", " ", block.text)
    text = re.sub(r"<<(\w+)\n.*?^\1$", "", text, flags=re.S | re.M)
    found = []
    for line in text.splitlines():
        for part in re.split(r"&&|(?<!&)&\s", line):
            words = shlex.split(part, comments=True)
            while words and re.match(r"[A-Z_]+=|taskset$|-c$|\d+$", words[0]):
                words.pop(0)
            if not words or words[0] in ("export", "cat") or words[0][0] == "{":
                continue
            if "..." in words and found and found[-1][0] == words[0]:
                place = words.index("...")
                words[place : place + 1] = found[-1][place:]
            found.append(words)
    return found
