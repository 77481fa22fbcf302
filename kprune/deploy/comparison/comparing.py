"""`compare`: measures a smaller model against its original."""

import pathlib
from collections.abc import Sequence

from kprune.deploy.comparison import inputs, layers, sides
from kprune.deploy.comparison.measuring import Measuring
from kprune.deploy.comparison.result import Comparison
from kprune.deploy.exporting.formats import FORMATS
from kprune.runtime import checks, files, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress, shows

_RUNTIMES = checks.sequence_of(
    lambda name, value: checks.choice(name, value, FORMATS), "runtimes"
)


@checked(
    before=sides.check,
    after=sides.check,
    runtimes=checks.optional(_RUNTIMES),
    batch_size=checks.at_least(1),
    repeats=checks.at_least(1),
    processes=checks.optional(checks.at_least(1)),
    most_examples=checks.at_least(1),
    peak_memory=checks.boolean,
)
def compare(
    before: types.Model | types.Path,
    after: types.Model | types.Path,
    *,
    data: types.Data | None = None,
    runtimes: Sequence[str] | None = None,
    batch_size: int = 32,
    repeats: int = 11,
    processes: int | None = None,
    most_examples: int = 10_000,
    peak_memory: bool = False,
    verbose: int | str = "auto",
) -> Comparison:
    """Returns the sizes and times of two models or files, and their ratios.

    For models, it compares the parameters, the multiply-adds per example, the
    size of the `.keras` file (without an optimizer), plain and gzipped, the
    inference time on one example and on a batch, and the time of a training
    step on the batch: forward, backward and plain SGD, with the mean square of
    the outputs as the loss. A path is measured by the size of its file, and an
    exported file by its time in its own runtime. If `data` has labels and the
    outputs are class scores, it also compares accuracy, and measures the share
    of examples that both assign to the same class.

    Times depend on the machine, their ratios less so: the two models run in
    alternation. Keras runs a compiled function on TensorFlow's threads; LiteRT,
    ONNX Runtime and OpenVINO use one thread. A channel that is only masked
    takes its full time and size; likewise, multiply-adds count the kernels as
    stored, zeros included.

    A model with equal outputs for all examples of the batch is listed in
    `cut_off`: no signal flows through it any more.

    Args:
        before, after: Built Keras models that take the same inputs, or paths
            of files that `kprune.export` writes. Wrapped models are stripped
            first, as by `kprune.strip`. Neither the models nor their
            optimizers' state are modified.
        data: As for `kprune.prune`; the models run on the inputs of its first
            batch. Defaults to random inputs of the shapes that the models are
            built for.
        runtimes: Names of formats, such as `("keras", "litert", "onnx",
            "openvino")`, to compare in. A model is exported to each; a file
            runs in its own runtime only. Defaults to Keras for models, and to
            its own runtime for a file.
        batch_size: Examples per batch, or fewer if `data` has fewer. Models
            built for a fixed batch size run with that size only.
        repeats: Number of alternations per ratio of times.
        processes: Number of new processes to time inference in, with `repeats`
            alternations in each. Each process lays out memory differently, so
            times vary more between processes than between alternations in one.
            Each takes seconds to start. Defaults to `None`, this process.
        most_examples: Maximum number of examples of `data` for accuracy.
        peak_memory: Whether to measure the peak memory of opening each file
            and running the batch, in a new process per file.
        verbose: `"auto"`, 0 or 1. 1 shows a progress bar.

    Returns:
        A `kprune.deploy.comparison.Comparison`, whose `str` is a table.
        Numbers that do not apply are `None`: multiply-adds if those of a
        kernel are unknown, the training step if a model has nothing to train.
        Its `save("page.html")` writes a page with bars and a table per layer.

    Raises:
        ValueError: If a model is not built or cannot be copied, a file cannot
            be opened, the two take different inputs or do not take those of
            `data`, their input shapes are open and there is no `data`, none
            of `runtimes` can run both, or a new process cannot load a file,
            e.g. because of custom layers.

    Example:

    >>> model = kprune.prune(model, "magnitude", 0.5, granularity="channel")
    >>> small = kprune.shrink(model, verbose=0)
    >>> compared = kprune.compare(model, small, repeats=3, verbose=0)
    >>> compared["parameters"].before > 2 * compared["parameters"].after
    True
    >>> print(compared)
    Before: "conv2". After: "conv2".
    What ...
    """
    verbose = shows(verbose)
    with seeds.untouched(), files.scratch_directory() as directory:
        pair = sides.of("before", before), sides.of("after", after)
        if data is None:
            inputs.check_same(*pair)
        measuring = Measuring(
            pair,
            None if data is None else inputs.read(data, batch_size, pair),
            batch_size,
            repeats,
            processes,
            most_examples,
            peak_memory,
        )
        groups, notes = _groups(pair, runtimes, pathlib.Path(directory))
        steps = measuring.steps(groups)
        progress, rows = Progress(len(steps), verbose), []
        for step in steps:
            rows += step()
            progress.round_done()
        per_layer = layers.rows(*pair, measuring.largest)
    return Comparison(
        pair[0].name,
        pair[1].name,
        tuple(rows),
        int(repeats),
        measuring.cut_off,
        per_layer,
        (*notes, *measuring.notes),
    )


def _groups(pair, runtimes, directory):
    """Returns a dict from the prefix of row names to the pair to compare, and
    notes on the runtimes left out."""
    if runtimes is None:
        return {"": pair}, ()
    groups, notes = {}, []
    for runtime in dict.fromkeys(runtimes):
        try:
            both = tuple(
                side.in_runtime(runtime, directory / f"{which}_{runtime}")
                for which, side in zip(("before", "after"), pair, strict=True)
            )
        except (ValueError, OSError) as error:
            notes.append(f"Not compared in {runtime}: {error}")
            continue
        groups["" if runtime == sides.KERAS else f"{runtime}: "] = both
    if not groups:
        raise ValueError(
            f"Expected `runtimes` that both can run in. {' '.join(notes)}"
        )
    return groups, tuple(notes)
