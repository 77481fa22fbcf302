"""`compare`: measures a smaller model against its original."""

import pathlib

from kprune.deploy.comparison import inputs, layers, sides
from kprune.deploy.comparison.measuring import Measuring
from kprune.deploy.comparison.result import Comparison
from kprune.deploy.exporting.formats import FORMATS
from kprune.runtime import checks, files, seeds
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
    most_examples=checks.at_least(1),
    peak_memory=checks.boolean,
)
def compare(
    before,
    after,
    *,
    data=None,
    runtimes=None,
    batch_size=32,
    repeats=11,
    most_examples=10_000,
    peak_memory=False,
    verbose="auto",
):
    """Returns the sizes and times of two models or files, and their ratios.

    Of models are compared the parameters, the multiply-adds of one example,
    the size of the `.keras` file (without an optimizer), plain and gzipped,
    the time of inference on one example and on a batch, and that of a step of
    training on the batch: forward, backward and plain SGD, by the mean square
    of the outputs. Of paths, the bytes are those of the file as it is, and of
    exported files the times are those in the runtime of each. With labels in
    `data`, and outputs that are scores of classes, so are accuracy and the
    share of examples that both put into the same class.

    Times belong to the machine, their ratios less so: the two run by turns in
    this process. Keras computes on TensorFlow's threads, as a compiled
    function; LiteRT, ONNX Runtime and OpenVINO on one. A channel that is only
    masked takes its full time and size; multiply-adds, too, are those of the
    kernels as they are stored, zeros included.

    A model whose outputs are the same for all examples of the batch is told
    of in `cut_off`: nothing flows through it any more.

    Args:
        before, after: Built Keras models that take the same inputs, or paths
            of files that `kprune.export` writes. Wrapped models are taken as
            `kprune.strip` gives them. They are left as they were, as is their
            optimizer's state.
        data: As for `kprune.prune`: the inputs of its first batch are what
            the models run on. Defaults to made-up inputs of the shapes that
            the models are built for.
        runtimes: Names of formats, such as `("keras", "litert", "onnx",
            "openvino")`, to compare in: a model is exported for each, and a
            file runs in its own alone. Defaults to Keras for models, and for
            files to their own.
        batch_size: Examples in a batch, fewer if `data` has no more. Models
            that are built for a batch size run with that alone.
        repeats: How often to alternate for a ratio of times.
        most_examples: How many examples of `data` accuracy is measured on.
        peak_memory: Whether to start a process for each file, to measure the
            memory that it takes to open it and run the batch.
        verbose: `"auto"`, 0 or 1. 1 shows a progress bar.

    Returns:
        A `kprune.deploy.comparison.Comparison`, whose `str` is a table. What
        does not apply is `None`: multiply-adds where those of a kernel are not
        known, a step of training where a model has nothing to train. Its
        `save("page.html")` writes a page with bars and a table per layer.

    Raises:
        ValueError: If a model is not built or cannot be copied, a file cannot
            be opened, they take different inputs or not those of `data`, the
            shapes of their inputs are open and there is no `data`, or no
            runtime that was asked for has both.

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
    """Returns the pairs to compare, by what the names of their rows begin with,
    and sentences on what is left out."""
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
