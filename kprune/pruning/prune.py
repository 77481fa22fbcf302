"""`prune`: applies a method to a model."""

from contextlib import nullcontext

from kprune.masking import weights, wrapping
from kprune.masking.undoing import undone_on_error
from kprune.pruning import goals, recipes, scope
from kprune.pruning.kept_weights import rules
from kprune.runtime import checks, distribution, progress, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.renamed import renamed
from kprune.scoring import config


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
    asked = goals.of_call(pruner.grain, sparsity, target, inplace)
    checks.choice("on_collapse", on_collapse, ("warn", "error", "ignore"))
    view = wrapping.check_model(model)
    objective, notes = scope.objective(view, pruner, data, loss, scoring, seed)
    shows = progress.shows(verbose)
    found = goals.masks(pruner, objective, asked, min_kept, shows)
    objective.hand_on()
    for goal, masks in zip(asked, found, strict=True):
        distribution.check_masks(objective.strategy, masks)
        if not pruner.grain.empties_weights:
            user_warnings.answer_collapse(masks, goal, on_collapse)
    made = [
        _masked(view, masks, notes, pruner, objective, inplace, prove)
        for masks in found
    ]
    return made if isinstance(sparsity, list | tuple) else made[0]


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
            rules.call(pruner.after_pruning, wrapped, objective)
    return wrapped
