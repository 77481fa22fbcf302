"""Methods that prune before training, of single weights unless told else."""

from kprune.pruning import criteria
from kprune.pruning.pruner import Pruner
from kprune.pruning.recipes.redrawn import rescored_at_fresh_init
from kprune.scoring.config import ScoringConfig


def random():
    """Random scores, ranked over the whole model."""
    return Pruner("random")


def magnitude():
    """Smallest absolute values first, ranked over the whole model."""
    return Pruner("magnitude")


def snip(released_code=False):
    """SNIP, Lee et al., 2019: one round of connection sensitivity.

    Several batches make it multi-batch SNIP, the baseline of FORCE.

    Args:
        released_code: Whether to score a fresh draw of the weights, by
            Glorot's normal law, and set its masks on the weights that are
            there, as released codes do. The paper scores what it trains.
    """
    if released_code:
        return Pruner(rescored_at_fresh_init("snip"), count="floor_keep")
    return Pruner("snip")


def grasp(temperature=None, absolute=False, released_code=False):
    """GraSP, Wang et al., 2020: one round of gradient signal preservation.

    Args:
        temperature: Float > 0 that logits are divided by. Defaults to 200.
        absolute: Whether to rank by |score|, another method.
        released_code: Whether to score dense layers at a fresh draw by
            Glorot's normal law, as the released code does.
    """
    criterion = criteria.get(
        "grasp", temperature=temperature, absolute=absolute
    )
    if released_code:
        return Pruner(
            rescored_at_fresh_init(criterion, dense_only=True),
            count="floor_remove",
        )
    return Pruner(criterion)


def grasp_it():
    """GraSP-It, de Jorge et al., 2021: sixty rounds of squared gradients."""
    return _iterated("grasp_it")


def synflow():
    """SynFlow, Tanaka et al., 2020: a hundred rounds of synaptic flow."""
    return Pruner("synflow", schedule="exponential", rounds=100)


def iter_snip(released_code=False):
    """Iter-SNIP, de Jorge et al., 2021: sixty rounds of SNIP, one-way.

    What is pruned stays pruned. The first version of the paper
    (arXiv:2006.09081v1) calls this method FORCE: its tables of "FORCE" are
    met by `iter_snip`.

    Args:
        released_code: Whether to differentiate minus the true class's logit
            where the paper says the loss, and to truncate counts.
    """
    return _iterated("snip", released_code=released_code)


def force(released_code=False):
    """FORCE, de Jorge et al., 2021: sixty rounds of SNIP, two-way.

    A weight pruned in one round is scored again at the sparse network and may
    return in a later one. This is FORCE as published at ICLR and in the
    released code; the first version of the paper calls `iter_snip` so.

    Args:
        released_code: Whether to differentiate minus the true class's logit
            where the paper says the loss, and to truncate counts.
    """
    return _iterated("snip", recover=True, released_code=released_code)


def prospr(
    inner_steps=3,
    inner_learning_rate=0.1,
    inner_momentum=0.0,
    first_order=False,
    fresh_batches=True,
    structured=False,
    unrolled=False,
    released_code=False,
):
    """ProsPr, Alizadeh et al., 2022: one round of meta-gradients.

    Args:
        inner_steps: Integer >= 0, the steps of training looked ahead.
        inner_learning_rate: Float > 0.
        inner_momentum: Float in [0, 1).
        first_order: Whether to leave out the Hessians, for many steps.
        fresh_batches: Whether each step takes the next batch of the data.
        structured: Whether to remove channels, by the meta-gradient of a
            gate on each; as `granularity="channel"`.
        unrolled: Whether to backpropagate through the steps: the same
            numbers in less time, with memory that grows with the steps.
        released_code: Whether the momentum of the first step counts as a
            constant and counts are rounded up, as in the released code. Its
            default is also `fresh_batches=False`.
    """
    criterion = criteria.get(
        "prospr",
        inner_steps=inner_steps,
        inner_learning_rate=inner_learning_rate,
        inner_momentum=inner_momentum,
        first_order=first_order,
        fresh_batches=fresh_batches,
        detached=released_code,
        unrolled=unrolled,
    )
    return Pruner(
        criterion,
        granularity="channel" if structured else "weight",
        count="ceil_keep" if released_code else "round",
    )


def _iterated(criterion, recover=False, released_code=False):
    return Pruner(
        criterion,
        schedule="exponential",
        rounds=60,
        recover=recover,
        fresh_batches=True,
        scoring=ScoringConfig(objective="neg_logit") if released_code else None,
        count="floor_keep" if released_code else "round",
    )


METHODS = {
    f.__name__: f
    for f in (
        random,
        magnitude,
        snip,
        grasp,
        grasp_it,
        synflow,
        iter_snip,
        force,
        prospr,
    )
}
