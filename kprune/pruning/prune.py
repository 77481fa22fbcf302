"""`prune`: applies a method to a model."""

from contextlib import nullcontext
from typing import Any

from kprune.masking import weights, wrapping
from kprune.masking.undoing import undone_on_error
from kprune.pruning import goals, recipes, scope
from kprune.pruning.chain import Chain
from kprune.pruning.kept_weights import rules
from kprune.pruning.pruner import Pruner
from kprune.pruning.target import Target
from kprune.runtime import checks, distribution, progress, types, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.renamed import renamed
from kprune.scoring import config
from kprune.scoring.config import ScoringConfig


@renamed(**config.WAYS)
@checked(
    method=None,
    sparsity=None,
    on_collapse=None,
    min_kept=checks.optional(checks.integer),
)
def prune(
    model: types.Model,
    method: types.Criterion
    | Pruner
    | Chain
    | dict[str, types.ArrayLike] = "magnitude",
    sparsity: float | list[float] | tuple[float, ...] | None = None,
    *,
    target: dict[str, float] | Target | None = None,
    data: types.Data | None = None,
    loss: types.Loss | None = None,
    scoring: ScoringConfig | dict[str, Any] | None = None,
    min_kept: int | None = None,
    on_collapse: str = "warn",
    seed: int = 0,
    inplace: bool = False,
    prove: bool = True,
    verbose: int | str = "auto",
    **options: Any,
) -> types.Model | list[types.Model]:
    """Prunes a Keras model and returns it with masks, ready to train.

    Args:
        model: A built Keras model: Sequential, Functional, nested or
            subclassed; wrapped or not. It is not modified, unless `inplace`.
        method: A name (`kprune.methods("prune")`), a `kprune.Pruner`, a
            criterion function of (objective, weights, masks), or a dict of
            scores by weight name, as `score` returns it. Defaults to
            `"magnitude"`, which reads no data.
        sparsity: Share of the groups to remove, in [0, 1). A group is the
            unit of the granularity: a single weight by default. Shares count
            prunable weights that are not excluded. May be left out if the
            granularity fixes it (`kprune.NM`). A list of shares returns a
            list of models; methods of one round then score only once.
        target: In place of `sparsity`, the largest share of the model's cost
            to leave: `{"flops": 0.5}`, of its multiply-adds, or
            `{"parameters": 0.5}`. As many groups are kept as fit. Costs count
            kept entries: a channel's cost is saved once `kprune.shrink` has
            removed it.
        data: The data to score on, as `fit` takes it: a `tf.data.Dataset`,
            arrays `(x, y)` or `(x, y, sample_weight)`, a `PyDataset` or a
            generator of batches. All of it is read unless `scoring` says
            otherwise. Without data, a criterion that needs some scores on a
            synthetic batch, with a warning.
        loss: As `compile` takes it. Defaults to the compiled loss, else to
            the cross-entropy that fits the outputs, with a warning.
        scoring: How scores read the data: a `kprune.ScoringConfig`, or a dict
            of its fields such as `{"batches": 1, "batch_size": 256}`.
        min_kept: Minimum number of groups that each weight keeps. Defaults to
            0, and to 1 for channels where the sparsity allows it.
        on_collapse: What to do if a weight would lose all its groups:
            `"warn"` (default), `"error"` or `"ignore"`.
        seed: Integer >= 0, for ties, random scores and synthetic data.
        inplace: For subclassed models only: whether to change `model` itself.
        prove: Whether to verify the copy, before pruning, by a forward pass
            on synthetic inputs (see `kprune.wrap`).
        verbose: `"auto"`, 0 or 1. 1 shows progress over rounds and batches.
        **options: Axes that replace those of the method, `granularity`,
            `allocation`, `schedule`, `rounds`, `recover`, `exclude` and
            `sequential` (see `kprune.Pruner`), and the method's own options,
            such as `temperature=200.0`.

    Returns:
        A Keras model whose prunable layers are wrapped in `kprune.Masked`. If
        `model` is compiled, it is compiled alike, with a fresh optimizer. For
        a list of sparsities, a list of such models.

    Raises:
        ValueError: If an argument, the model or the data is invalid. The
            model is then unchanged.

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
    """Returns the model with the masks set, a copy unless `inplace`."""
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
