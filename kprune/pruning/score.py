"""`score`: computes a method's scores of a model's weights."""

from typing import Any

import numpy as np

from kprune.masking import wrapping
from kprune.pruning import criteria, recipes, scope
from kprune.pruning.chain import Chain
from kprune.pruning.pruner import Pruner
from kprune.pruning.ranking import scores_by
from kprune.runtime import types
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress
from kprune.runtime.renamed import renamed
from kprune.scoring import config
from kprune.scoring.config import ScoringConfig
from kprune.scoring.network import excluded
from kprune.scoring.objective import Objective


@renamed(**config.WAYS)
@checked(method=None)
def score(
    model: types.Model,
    method: types.Criterion
    | Pruner
    | Chain
    | dict[str, types.ArrayLike] = "magnitude",
    *,
    data: types.Data | None = None,
    loss: types.Loss | None = None,
    scoring: ScoringConfig | dict[str, Any] | None = None,
    seed: int = 0,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Returns a method's scores of the weights of a model.

    Args:
        model: A built Keras model. It is not modified.
        method: A criterion's name or function, a method's name, or a
            `kprune.Pruner`, of which only the criterion, `exclude` and
            `scoring` are used.
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
