"""Iterative magnitude pruning: train, prune, rewind, and again."""

from kprune.tickets.search import Search


def imp(
    model,
    train,
    *,
    levels,
    fraction=0.2,
    rewind_to=0,
    rewind_weights="rewind",
    learning_rate="rewind",
    epochs=1,
    steps_per_epoch=None,
    validation_data=None,
    criterion="magnitude",
    granularity="weight",
    allocation="global",
    exclude=(),
    data=None,
    directory=None,
    checkpoint="1ep",
    seed=0,
    verbose="auto",
):
    """Finds lottery tickets: yields one after each level of pruning.

        for level in 0, 1, ..., levels:
            train the network under its masks
            prune a fraction of what is left, and rewind the rest

    Level 0 is the dense network. After r levels, 1 - (1 - fraction)^r of the
    weights are gone, to the weight: 20 %, 36 %, 48.8 % ... The search goes on
    as its tickets are asked for, and each has a model of its own.

    What is not pruned is rewound (`rewind_weights`), and trained again over the
    steps and at the rates that `learning_rate` says (Renda et al., 2020):

    | `rewind_weights`, `learning_rate` | known as |
    |---|---|
    | `"rewind"`, `"rewind"` | the paper's; with `rewind_to`, rewinding |
    | `"trained"`, `"rewind"` | learning-rate rewinding |
    | `"trained"`, `"last"` | fine-tuning |

    Args:
        model: A built and compiled Keras model, not pruned. It is left as it
            was. Each level has a fresh optimizer like the model's.
        train: As for `kprune.training.fit`: a `tf.data.Dataset`, or a
            function from a step to an endless one. Only a function lets every
            level read the same order, and goes on to the bit where a search
            was killed; a data set that shuffles is in another order each time
            it is read.
        levels: Integer > 0, how often to prune.
        fraction: Float in (0, 1), of what is left, that a level removes. Or a
            dict from weights, layers or patterns to fractions, each of that
            weight alone (see `layer_fractions`); what it does not name stays.
        rewind_to: Duration, such as `"500it"` or `"2ep"`: the step k, before
            the end of the training, that is rewound to.
        rewind_weights: What the weights that stay become, and all that is not
            pruned, biases and batch normalization: `"rewind"`, as after step
            k; `"init"`, as at the beginning; `"trained"`, as they are.
        learning_rate: Which steps of the training follow, with their data.
            `"rewind"`: those from k on. `"restart"`: all. `"last"`: those
            from k on, but at the rate of the last step.
        epochs: Integer, of the whole training.
        steps_per_epoch: Integer. Defaults to the length of the data set.
        validation_data: As for `model.fit`.
        criterion, granularity: As for `kprune.Pruner`, applied to the trained
            network.
        allocation: How many each weight keeps of all that stay: a name or a
            function as for `kprune.Pruner`.
        exclude: As for `kprune.prune`.
        data: What the criterion looks at, if it does: as for `kprune.prune`.
        directory: Path to keep the search in. The same call goes on there:
            finished levels are read, not trained again, one under way goes on
            from its last checkpoint, and the initial weights are those stored
            there.
        checkpoint: How often to save within a level: as `every` of
            `kprune.callbacks.Checkpoint`.
        seed: Integer >= 0, for ties.
        verbose: As for `model.fit`.

    Returns:
        A generator of `levels + 1` objects of the class `Ticket`.

    Raises:
        ValueError: If an argument does not fit, or the directory holds
            another search. Later, if stored weights have been changed.
        kprune.training.Terminated: After a SIGTERM, with a directory.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss, metrics=["accuracy"])
    >>> for ticket in kprune.tickets.imp(
    ...     model, train, levels=2, rewind_to="20it", verbose=0
    ... ):
    ...     print(ticket.level, round(ticket.sparsity, 3))
    0 0.0
    1 0.2
    2 0.36
    """
    return Search(
        model=model,
        train=train,
        levels=levels,
        fraction=fraction,
        rewind_to=rewind_to,
        rewind_weights=rewind_weights,
        learning_rate=learning_rate,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        validation_data=validation_data,
        criterion=criterion,
        granularity=granularity,
        allocation=allocation,
        exclude=exclude,
        data=data,
        directory=directory,
        checkpoint=checkpoint,
        seed=seed,
        verbose=verbose,
    ).tickets()


def after_training(
    model,
    train,
    sparsity,
    *,
    rewind_weights="trained",
    learning_rate="last",
    **options,
):
    """Prunes once, after training, and trains what is left.

    This is `imp` with one level. By default the weights go on from where they
    are, at the last rate of their training (fine-tuning), for as long as it
    took; with `rewind_to=`, for the steps from there on. With
    `rewind_weights="rewind", learning_rate="rewind"` they are rewound.

    Args:
        model, train, rewind_weights, learning_rate: As for `imp`.
        sparsity: Float in (0, 1), the share of the weights to remove.
        **options: Further arguments of `imp`, such as `epochs=`.

    Returns:
        The `Ticket` of level 1.

    Raises:
        ValueError: If an argument does not fit.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> ticket = kprune.tickets.after_training(
    ...     model, train, 0.9, rewind_to="40it", verbose=0
    ... )
    >>> round(ticket.sparsity, 4)
    0.9
    """
    *_, ticket = imp(
        model,
        train,
        levels=1,
        fraction=sparsity,
        rewind_weights=rewind_weights,
        learning_rate=learning_rate,
        **options,
    )
    return ticket
