"""`compare`: what a smaller model buys over the one it was made of."""

import keras

from kprune.deploy.comparison import inputs, running, sizes
from kprune.deploy.comparison.result import Comparison, Row
from kprune.deploy.comparison.timing import compare_times
from kprune.masking import wrapping
from kprune.runtime import checks, examples, keras_internals, seeds
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress


@checked(
    before=checks.model,
    after=checks.model,
    batch_size=checks.at_least(1),
    repeats=checks.at_least(1),
)
def compare(
    before,
    after,
    *,
    data=None,
    batch_size=32,
    repeats=11,
    verbose="auto",
):
    """Returns the sizes and times of two models, and their ratios.

    Compared are the parameters, the multiply-adds of one example, the size of
    the `.keras` file (without an optimizer), plain and gzipped, the time of
    inference on one example and on a batch, and that of a step of training
    on the batch: forward, backward and plain SGD, by the mean square of the
    outputs.

    Times belong to the machine, their ratios less so: the models run by turns
    in this process, each as a compiled function. A channel that is only
    masked takes its full time and size; multiply-adds, too, are those of the
    kernels as they are stored, zeros included.

    A model whose outputs are the same for all examples of the batch is told
    of in `cut_off`: nothing flows through it any more.

    Args:
        before, after: Built Keras models that take the same inputs. Wrapped
            ones are taken as `kprune.strip` gives them. They are left as they
            were, as is their optimizer's state.
        data: As for `kprune.prune`: the inputs of its first batch are what
            the models run on. Defaults to made-up inputs of the shapes that
            the models are built for.
        batch_size: Examples in a batch, fewer if `data` has no more. Models
            that are built for a batch size run with that alone.
        repeats: How often to alternate for a ratio of times.
        verbose: `"auto"`, 0 or 1. 1 shows a progress bar.

    Returns:
        A `kprune.deploy.comparison.Comparison`, whose `str` is a table. What
        does not apply is `None`: multiply-adds where those of a kernel are not
        known, a step of training where a model has nothing to train.

    Raises:
        ValueError: If a model is not built or cannot be copied, if the models
            take different inputs or not those of `data`, or if the shapes of
            their inputs are open and there is no `data`.

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
    if verbose == "auto":
        verbose = int(keras.config.is_interactive_logging_enabled())
    with seeds.untouched():
        models = [_plain(before), _plain(after)]
        batches, cut_off = _batches(models, data, batch_size)
        measurements = _measurements(models, batches, repeats)
        progress, rows = Progress(len(batches) + 3, verbose), []
        for found in measurements:
            rows += found
            progress.round_done()
    return Comparison(
        before.name, after.name, tuple(rows), int(repeats), cut_off
    )


def _plain(model):
    """Returns a copy of a model, without masks and not compiled."""
    with keras_internals.not_compiled(model):
        return wrapping.strip(model)


def _batches(models, data, batch_size):
    """Returns the inputs of each model, a pair for each batch size, and which
    of "before" and "after" do not depend on them."""
    if data is None:
        inputs.check_same(*models)
    fixed = inputs.fixed_batch_size(models[0])
    if data is None:
        size = fixed or batch_size
        pair = [inputs.made_up(model, size) for model in models]
    else:
        x = inputs.read(data, fixed or batch_size)
        size, pair = examples.count(keras.tree.flatten(x)[0]), [x, x]
    cut_off = tuple(
        which
        for which, model, x in zip(
            ("before", "after"), models, pair, strict=True
        )
        if inputs.is_cut_off(x, inputs.outputs(model, x))
    )
    found = {size: pair}
    if not fixed and size > 1:
        ones = keras.tree.map_structure(lambda a: a[:1], pair)
        found = {1: ones, **found}
    return found, cut_off


def _measurements(models, batches, repeats):
    """Yields lists of rows, as they are found."""
    *_, (size, largest) = batches.items()
    yield [
        _counted("parameters", map(sizes.parameters, models)),
        _counted(
            "multiply-adds per example",
            map(sizes.multiply_adds, models, largest),
        ),
    ]
    whole, gzipped = zip(*map(sizes.file_sizes, models), strict=True)
    yield [
        _counted("file", whole, "bytes"),
        _counted("file, gzipped", gzipped, "bytes"),
    ]
    for count, pair in batches.items():
        name = f"inference, batch {count}"
        functions = list(map(running.inference, models, pair))
        yield [_timed(name, functions, repeats)]
    functions = list(map(running.training_step, models, largest))
    name = f"training step, batch {size}"
    yield [_timed(name, functions, repeats)]


def _counted(name, numbers, unit=""):
    before, after = numbers
    ratio = before / after if before is not None and after else None
    return Row(name, before, after, ratio, unit=unit)


def _timed(name, functions, repeats):
    if None in functions:
        return Row(name, None, None, None, unit="ms")
    found = compare_times(*functions, repeats)
    before, after = 1000 * found.before, 1000 * found.after
    return Row(name, before, after, found.ratio, found.spread, "ms")
