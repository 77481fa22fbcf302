"""PrAC tickets: searched on ever fewer examples and steps.

Zhang et al., 2021, "Efficient Lottery Ticket Finding: Less Data is More",
https://arxiv.org/abs/2106.03225.
"""

from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.renamed import renamed
from kprune.tickets import training as trainings
from kprune.tickets.arguments import Plan
from kprune.tickets.prac_search import PracSearch


@renamed(
    **trainings.WAYS,
    data="`training=`, the arrays or a `kprune.tickets.Training`",
)
@checked(levels=checks.at_least(1), fraction=None, learning_rate=None)
def prac(
    model,
    training,
    *,
    levels,
    fraction=0.2,
    rewind_to="2ep",
    tolerance=0.08,
    window=5,
    exclude=(),
):
    """Finds lottery tickets on the examples that are hard to keep in mind.

        examples = all
        for level in 0, 1, ..., levels:
            train the network under its masks on `examples`
            examples = those that were forgotten, or never learned
                       + of all, those that are taken for something else
                         than by the dense network
            prune a fraction of what is left, and rewind the rest to step k

    As `imp`, by magnitude, but each level trains on less (a pruning-aware
    critical set, PrAC). An example is forgotten when it is right at the end of
    an epoch and wrong at the end of the next. A level on a set of the N
    examples has

        ceil(epochs |set| / N)  epochs of  ceil(|set| / batch_size)  steps

    and goes through the whole schedule of the learning rate in these. It ends
    before, like an early bird, when the masks that pruning would draw have
    settled: from one epoch to the next they once changed by more than
    `tolerance`, and then `window` times in a row by less.

    What is found is to be trained on all examples: `ticket.rewound()` begins
    at step k of the whole training. `ticket.model` is what the chosen ones,
    `ticket.examples`, made of it.

    The released code judges examples as they pass, augmented and in training
    mode; here they are judged unchanged, in inference mode, at the end of each
    epoch. It compares the networks that were best on validation data, here
    those that a level ends with. It rounds the number of epochs down.

    Args:
        model: A built and compiled Keras classifier, not pruned, with one
            output for each class, or a single logit or probability. It is
            left as it was.
        training: A `kprune.tickets.Training` on all examples, or its data
            alone: arrays `(x, y)`, of which `x` may be a dict or list of
            arrays, and `y` has class numbers or one-hot rows. Their order
            must stay: an example is known by its place. In a directory, a
            level that was under way goes on to the bit.
        levels: Integer > 0, how often to prune.
        fraction: As for `imp`.
        rewind_to: Duration, such as `"500it"` or `"2ep"`, the paper's: the
            step k of the dense network's training that is rewound to.
        tolerance: Float in (0, 1], the distance of masks: entries that differ
            by weights that remain. `None` lets each level come to its end.
        window: Integer > 0, how many distances must be below.
        exclude: As for `imp`.

    Returns:
        A generator of `levels + 1` objects of the class `Ticket`.

    Raises:
        ValueError: If an argument does not fit, or the directory holds
            another search. Later, if stored weights have been changed, or no
            examples are left for a level.
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
