"""The two calls: `prune` a model, or `score` its weights."""

from contextlib import nullcontext

import keras

from kprune.masking import weights, wrapping
from kprune.masking.undoing import undone_on_error
from kprune.pruning import criteria, recipes, scope
from kprune.pruning import target as targets
from kprune.pruning.pruner import masks_for
from kprune.pruning.ranking import scores_by
from kprune.runtime import checks, distribution, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress
from kprune.runtime.renamed import renamed
from kprune.runtime.words import shown
from kprune.scoring import config
from kprune.scoring.network import excluded
from kprune.scoring.objective import Objective

_DISAGREE = (
    "The workers found different masks, though they read the same data. "
    "Expected the same weights and the same kind of devices on all."
)


@renamed(**config.WAYS)
@checked(
    method=None,
    sparsity=None,
    on_collapse=None,
    min_kept=checks.optional(checks.integer),
)
def prune(
    model,
    method="magnitude",
    sparsity=None,
    *,
    target=None,
    data=None,
    loss=None,
    scoring=None,
    min_kept=None,
    on_collapse="warn",
    seed=0,
    inplace=False,
    prove=True,
    verbose="auto",
    **options,
):
    """Prunes a Keras model and returns it with masks, ready to train.

    Args:
        model: A built Keras model: Sequential, Functional, nested or
            subclassed; wrapped or not. It is left as it was.
        method: A name (`kprune.methods("prune")`), a `kprune.Pruner`, a
            criterion function of (objective, weights, masks), or a dict of
            scores by weight name, as `score` gives them. Defaults to
            `"magnitude"`, which looks at no data.
        sparsity: Share of the groups to remove, in [0, 1). A group is what
            the granularity removes as one: a weight, unless said otherwise.
            Shares count prunable weights that are not excluded. May be left
            out where the granularity fixes it (`kprune.NM`). A list of shares
            gives a list of models, for which methods of one round score once.
        target: In place of `sparsity`, how much of the model's cost to leave
            at most: `{"flops": 0.5}`, of its multiply-adds, or
            `{"parameters": 0.5}`. As many groups are kept as fit. The costs
            are those of the kept entries: a channel's are saved once
            `kprune.shrink` has taken it out.
        data: What the criterion looks at, as `fit` takes it: a
            `tf.data.Dataset`, arrays `(x, y)` or `(x, y, sample_weight)`, a
            `PyDataset` or a generator of batches. All of it is read unless
            `scoring` says otherwise. Without data, a criterion that needs
            some scores on a synthetic batch, with a warning.
        loss: As `compile` takes it. Defaults to the compiled loss, else to
            the cross-entropy that fits the outputs, with a warning.
        scoring: How scores look at the data: a `kprune.ScoringConfig`, or a
            dict of its fields such as `{"batches": 1, "batch_size": 256}`.
        min_kept: Groups that each weight keeps at least. Defaults to 0, and
            to 1 for channels, as far as so many are kept.
        on_collapse: What to do if a weight would lose all its groups:
            `"warn"` (default), `"error"` or `"ignore"`.
        seed: Integer >= 0, for ties, random scores and synthetic data.
        inplace: For subclassed models only: change the model itself.
        prove: Whether to prove the copy, before it is pruned, by a forward
            pass on made-up inputs (see `kprune.wrap`).
        verbose: `"auto"`, 0 or 1. 1 shows progress over rounds and batches.
        **options: Axes that replace those of the method, `granularity`,
            `allocation`, `schedule`, `rounds`, `recover`, `exclude` and
            `sequential` (see `kprune.Pruner`), and the method's own options,
            such as `temperature=200.0`.

    Returns:
        A Keras model whose prunable layers are wrapped in `kprune.Masked`. It
        is compiled alike, with a fresh optimizer, if `model` is compiled. Of a
        list of sparsities, a list of such models.

    Raises:
        ValueError: If an argument, the model or the data does not fit. The
            model has not been changed then.

    Example:

    >>> model = kprune.models.lenet_300_100()
    >>> model = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> kprune.report(model).sparsity
    0.9
    """
    pruner = recipes.get(method, **options)
    grain = pruner.grain
    several = isinstance(sparsity, list | tuple)
    if several:
        _check_several(sparsity, target, inplace)
    if target is not None:
        target = _check_target(target, sparsity, grain)
    else:
        asked = sparsity if several else [sparsity]
        asked = [scope.sparsity_of(grain, share) for share in asked]
    checks.choice("on_collapse", on_collapse, ("warn", "error", "ignore"))
    view = wrapping.check_model(model)
    notes = scope.left_out(view, pruner)
    scoring = config.get(scoring, pruner.scoring)
    exclude = tuple(notes)
    objective = Objective(view, data, loss, scoring, seed=seed, exclude=exclude)
    if not objective.weights:
        raise ValueError(
            "Nothing is left to prune. Expected at least one weight that is "
            f"not left out. Received: {notes}"
        )
    if verbose == "auto":
        verbose = int(keras.config.is_interactive_logging_enabled())
    if target is None:
        found = masks_for(pruner, objective, asked, min_kept, verbose)
        words = [f"sparsity {share}" for share in asked]
    else:
        found = [pruner.masks(objective, None, min_kept, verbose, target)]
        words = [f"target {target}"]
    objective.hand_on()
    for masks, what in zip(found, words, strict=True):
        distribution.check_agreement(objective.strategy, masks, _DISAGREE)
        if not grain.empties_weights:
            _answer_collapse(masks, what, on_collapse)
    made = [
        _masked(view, masks, notes, pruner, objective, inplace, prove)
        for masks in found
    ]
    return made if several else made[0]


def _masked(view, masks, notes, pruner, objective, inplace, prove):
    """Returns the model with masks on it, a copy unless `inplace`."""
    undone = undone_on_error(view.model) if inplace else nullcontext()
    with undone:
        wrapped = wrapping.wrap(view, inplace=inplace, prove=prove)
        own = weights.find(wrapped)
        wrapping.set_masks(own, masks)
        wrapping.set_notes(own, notes)
        pruner.grain.settle(own, masks)
        if pruner.after_pruning is not None:
            _change_kept_weights(pruner.after_pruning, wrapped, objective)
    return wrapped


def _change_kept_weights(rule, model, objective):
    """Calls a rule on kept weights, with what was pruned by if it reads it."""
    reads = checks.can_take(rule, 2, objective=objective)
    given = {"objective": objective} if reads else {}
    rule(model, objective.seed, **given)


@renamed(**config.WAYS)
@checked(method=None)
def score(
    model,
    method="magnitude",
    *,
    data=None,
    loss=None,
    scoring=None,
    seed=0,
    **options,
):
    """Returns the scores that a method gives the weights of a model.

    Args:
        model: A built Keras model. It is left as it was, to the bit.
        method: A criterion's name or function, a method's name, or a
            `kprune.Pruner`, of which the criterion and `exclude` count.
        data, loss, scoring, seed: As for `prune`.
        **options: Options of the method, such as `temperature=200.0`.

    Returns:
        Dict from weight name, such as `"conv1/kernel"`, to a NumPy array of
        the weight's shape, float32 or wider. Higher is kept.
    """
    view = wrapping.check_model(model)
    pruner = recipes.get(method, **options)
    criterion, exclude = criteria.get(pruner.criterion), pruner.exclude
    if pruner.measures_inputs:
        out = excluded(view, exclude)
        exclude = (*out, *scope.not_measured(view, out))
    objective = Objective(
        view,
        data,
        loss,
        config.get(scoring, pruner.scoring),
        seed=seed,
        exclude=exclude,
    )
    scores = scores_by(criterion, objective.watched(Progress()))
    objective.hand_on()
    return scores


def _check_several(sparsities, target, inplace):
    """Raises `ValueError` unless sparsities give as many models."""
    expected = "a number, or a list of one number or more"
    checks.require(len(sparsities), "sparsity", sparsities, expected)
    if target is not None or inplace:
        given = "`target`" if target is not None else "`inplace=True`"
        raise ValueError(
            f"{given} goes with one sparsity at most: each of several gives a "
            f"copy. Received: sparsity={shown(sparsities)}"
        )


def _check_target(target, sparsity, grain):
    """Returns the `Target`, or raises `ValueError`."""
    if sparsity is not None or grain.sparsity is not None:
        given = sparsity if sparsity is not None else grain
        raise ValueError(
            "`target` takes the place of a sparsity. Received: "
            f"target={shown(target)} and {shown(given)}"
        )
    return targets.get(target)


def _answer_collapse(masks, asked, on_collapse):
    empty = user_warnings.describe_collapse(masks, asked)
    if empty is None or on_collapse == "ignore":
        return
    message = (
        f"{empty} Lower `sparsity`, raise `rounds`, set `min_kept=1`, or use "
        f"{user_warnings.AGAINST_COLLAPSE}"
    )
    if on_collapse == "error":
        raise ValueError(message)
    user_warnings.warn(message)
