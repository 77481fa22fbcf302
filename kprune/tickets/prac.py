"""PrAC tickets: a search on fewer and fewer examples and steps.

Zhang et al., 2021, "Efficient Lottery Ticket Finding: Less Data is More",
https://arxiv.org/abs/2106.03225.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.renamed import renamed
from kprune.tickets import training as trainings
from kprune.tickets.arguments import Plan
from kprune.tickets.prac_search import PracSearch
from kprune.tickets.ticket import Ticket


@renamed(
    **trainings.WAYS,
    data="`training=`, the arrays or a `kprune.tickets.Training`",
)
@checked(levels=checks.at_least(1), fraction=None, learning_rate=None)
def prac(
    model: types.Model,
    training: trainings.Training | Sequence[Any],
    *,
    levels: int,
    fraction: float | Fraction | dict[str, Any] = 0.2,
    rewind_to: str | int = "2ep",
    tolerance: float | None = 0.08,
    window: int = 5,
    exclude: str | Sequence[str] = (),
) -> Iterator[Ticket]:
    """Finds lottery tickets on the examples that are hard to remember.

        examples = all
        for level in 0, 1, ..., levels:
            train the network under its masks on `examples`
            examples = those that were forgotten or never learned
                       + all on which the pruned network disagrees with the
                         dense one
            prune a fraction of what is left, and rewind the rest to step k

    It is `imp` by magnitude, but each level trains on fewer examples (a
    pruning-aware critical set, PrAC). An example is forgotten when it is right
    at the end of an epoch and wrong at the end of the next. A level on a set
    of the N examples has

        ceil(epochs |set| / N)  epochs of  ceil(|set| / batch_size)  steps

    and runs the whole learning-rate schedule in them. It stops earlier, like
    an early-bird ticket, when the masks that pruning would draw have settled:
    their distance from the previous epoch once exceeded `tolerance`, and then
    was below it `window` times in a row.

    Train the tickets on all examples: `ticket.rewound()` starts at step k of
    the whole training. `ticket.model` is trained on `ticket.examples` alone.

    The released code judges examples as training reads them, augmented and in
    training mode; kprune judges them unaugmented, in inference mode, at the
    end of each epoch. The code compares the networks that were best on
    validation data, kprune the final ones of each level. The code rounds the
    number of epochs down.

    Args:
        model: A built and compiled Keras classifier, not pruned, with one
            output for each class, or a single logit or probability. It is
            not modified.
        training: A `kprune.tickets.Training` on all examples, or its data
            alone: arrays `(x, y)`, where `x` may be a dict or list of arrays,
            and `y` has class numbers or one-hot rows. Their order must not
            change between runs: examples are identified by index. In a
            directory, an interrupted level resumes exactly.
        levels: Integer > 0, how often to prune.
        fraction: As for `imp`.
        rewind_to: Duration, such as `"500it"` or the paper's `"2ep"`
            (default): the step k of the dense network's training to rewind
            to.
        tolerance: Float in (0, 1], a distance of masks: the number of entries
            that differ, divided by the number of remaining weights. Defaults
            to 0.08. `None` trains each level to its end.
        window: Integer > 0, how many distances in a row must be below
            `tolerance`. Defaults to 5.
        exclude: As for `imp`.

    Returns:
        A generator of `levels + 1` objects of the class `Ticket`.

    Raises:
        ValueError: If an argument is invalid, or the directory holds another
            search. While iterating, if stored weights have been changed, or
            no examples are left for a level.
        kprune.training.Terminated: After a SIGTERM or Ctrl-C, with a
            directory.

    Example:

    >>> train, _ = kprune.datasets.load_arrays("digits")
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> training = kprune.tickets.Training(train, epochs=3, verbose=0)
    >>> for ticket in kprune.tickets.prac(
    ...     model, training, levels=1, rewind_to="1ep"
    ... ):
    ...     print(ticket.level, len(ticket.examples) < 1437)
    0 False
    1 True
    """
    plan, training = Plan(levels, fraction, rewind_to), trainings.get(training)
    search = PracSearch(model, training, plan, exclude, tolerance, window)
    return search.tickets()


METHOD = Method(
    "prac",
    title="PrAC tickets",
    call="kprune.tickets.prac(model, kprune.tickets.Training((x, y), 182), "
    "levels=16)",
    paper="Zhang et al., 2021",
    link="https://arxiv.org/abs/2106.03225",
    test="tests/tickets/test_prac.py::test_the_loop_is_that_written_by_hand",
    deviation="examples are judged after each epoch in inference mode, by the "
    "released code in training mode while weights move; it prunes convolutions "
    "only, here `exclude` says what stays",
)
