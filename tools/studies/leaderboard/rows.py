"""The rows of the leaderboard, and the methods that have none.

`ROWS` and `LEFT_OUT` together name every method of `kprune.methods()`; a test
keeps it so.
"""

import dataclasses
from collections.abc import Callable

import kprune
from leaderboard import ways

BEFORE, WHILE, AFTER = "before", "while", "after"
SHUFFLED = "-shuffled"


@dataclasses.dataclass(frozen=True)
class Row:
    """A method as the leaderboard runs it.

    Args:
        method: The name in `kprune.methods()`, or `"dense"`.
        when: `"before"`, `"while"` or `"after"` training.
        run: Function of (bench, sparsity, seed) to a trained model.
    """

    method: str
    when: str
    run: Callable


def _rows():
    yield "dense", Row("dense", BEFORE, ways.dense())
    yield "random", Row("random", BEFORE, ways.before("random"))
    erk = ways.before("random", allocation="erk")
    yield "random-erk", Row("random", BEFORE, erk)
    for name in _BEFORE:
        yield name, Row(name, BEFORE, ways.before(name))
        shuffled = ways.before(name, shuffled=True)
        yield name + SHUFFLED, Row(name, BEFORE, shuffled)
    for name in _FIXED:
        yield name, Row(name, WHILE, ways.dynamic(name))
    for name in ("deepr", "soft_deepr", "top_kast", "static"):
        yield name, Row(name, WHILE, ways.dynamic(name, updates=None))
    # DPF's own period is 16 steps, where others have hundreds.
    for name, updates in {"acdc": 18, "granet": 18, "dpf": 100}.items():
        run = ways.dynamic(name, updates, sets_sparsity=True)
        yield name, Row(name, WHILE, run)
    gradual = {"gmp": ways.gmp_options, "asni": ways.asni_options}
    for name, options in gradual.items():
        yield name, Row(name, WHILE, ways.gradual(name, options))
    for name in ("greg1", "greg2", "dlth"):
        yield name, Row(name, WHILE, ways.growing(name))
    yield "movement", Row("MovementPruning", WHILE, ways.movement())
    yield "early_bird", Row("EarlyBird", WHILE, ways.early_bird())
    for name in ("edge_popup", "biprop"):
        yield name, Row(name, WHILE, ways.selected(name))
    for name in _AFTER:
        yield f"{name}-after", Row(name, AFTER, ways.after(name))
    large, grown = map(ways.rewound, ("large_final", "magnitude_increase"))
    yield "large_final", Row("zhou_masks", AFTER, large)
    yield "magnitude_increase", Row("zhou_masks", AFTER, grown)
    yield "imp", Row("imp", AFTER, ways.tickets())
    late = ways.tickets(rewind_to="10%")
    yield "imp-rewound", Row("imp", AFTER, late)
    kept = ways.tickets(rewind_weights="trained")
    yield "imp-trained", Row("imp", AFTER, kept)


_BEFORE = (
    "magnitude",
    "skeletonization",
    "snip",
    "taylor",
    "grasp",
    "obd",
    "synflow",
    "synflow_l2",
    "path_exclusion",
    "ntk_sap",
    "crop",
    "phew",
    "node_path_balance",
    "lamp",
    "grasp_it",
    "iter_snip",
    "force",
    "prospr",
    "random_tickets",
    "hybrid_tickets",
)
_FIXED = ("rigl", "set", "snfs", "dsr", "mest", "srigl", "cht")
_AFTER = (
    "random",
    "magnitude",
    "lamp",
    "snip",
    "taylor",
    "obd",
    "wanda",
    "ria",
    "sparsegpt",
)
ROWS = dict(_rows())

_OUTCOME = "its sparsity is an outcome of a penalty or threshold: no such cell"
_NEURONS = "it prunes neurons of a layer: no such share of the weights"
_CHANNELS = "it prunes whole channels or blocks, which few of the rows do"
_KEPT = "it changes kept weights, and chooses none"
_CHECK = "it is a check, not a method"
_INVERSE = "it takes the inverse of a Hessian of at most 8,192 weights"
_TASKS = "it learns a mask for each of several tasks"
_SETTLES = "it waits for epochs to pass, more than the budget has"
LEFT_OUT = {
    "3sp": _CHANNELS,
    "EarlyCroP": _SETTLES,
    "HopfieldStack": _TASKS,
    "SupermaskStack": _TASKS,
    "WeightRecycling": "it changes frozen weights, and chooses none",
    "after_training": "it is the row magnitude-after, without its fine-tuning "
    "at the last rate",
    "binary_sign": "it is an activation",
    "block_influence": _CHANNELS,
    "bn_gamma": _CHANNELS,
    "centroids": _KEPT,
    "cluster": _KEPT,
    "compression_aware": "it trains a dense network, to be pruned later",
    "coreset": _KEPT,
    "correct_biases": _KEPT,
    "corrupt": _CHECK,
    "dns": _OUTCOME,
    "elastic": "it takes a ticket to a network of another depth",
    "gem_miner": _SETTLES,
    "hard_concrete": _OUTCOME,
    "invert": _CHECK,
    "isometry": _KEPT,
    "linear_ossum": _NEURONS,
    "linear_ossum_norm": _NEURONS,
    "log_ossum": _NEURONS,
    "log_ossum_norm": _NEURONS,
    "neuron_norm": _NEURONS,
    "neuron_random": _NEURONS,
    "neuron_supermask": _NEURONS,
    "obs": _INVERSE,
    "optimal_brain_surgeon": _INVERSE,
    "ossum": _NEURONS,
    "ossum_norm": _NEURONS,
    "outlier_weighed": "it is an allocation",
    "prac": "it needs several epochs in each of several levels",
    "prune_and_build": _NEURONS,
    "prune_train": _OUTCOME,
    "recalibrate": _KEPT,
    "reconstruct": _KEPT,
    "reinitialize": _CHECK,
    "shuffle": f"it is the rows that end in {SHUFFLED}",
    "slim": "it is a penalty for methods that prune channels",
    "soft_threshold": _OUTCOME,
    "stable": "it is a network",
    "supermask": _OUTCOME,
    "surgeon": _KEPT,
    "train_unnamed": _TASKS,
    "transfer": "it takes a ticket to other data",
}


def unknown():
    """Returns the methods of kprune that have neither a row nor a reason."""
    known = {row.method for row in ROWS.values()} | set(LEFT_OUT)
    return sorted(set(kprune.methods()) - known)
