"""OSSuM: neurons of fully connected networks, pruned without gradients.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022. MNIST and CIFAR-10.

two_layers_*      networks of one hidden layer that are not trained, figure 1:
                  all methods, test accuracy over the neurons kept; variants
                  fc1000, fc10000 and fc100000
activations, initializations
                  FC-10000 on MNIST without training, section 4.4:
                  tanh, ReLU and sigmoid; U(-r, r), N(0, r^2), N(0, variance r)
                  and +r or -r at random, with r = 1 / sqrt(fan_in)
deep_*            FC-1000-1000-1000 without training: OSSuM after norm,
                  prune-and-build, norm and random neurons, over the neurons
                  kept in each hidden layer
then_trained_*    the same, pruned at initialization, its weights rescaled, and
                  trained by Adam; figure 7 is without rescaling
after_training_*  trained networks, before and after fine-tuning, section 4.2:
                  _fc1000, _fc10000 and, of three hidden layers, _fc1000x3
search            FC-1000-1000-1000 to all widths, without training: all
                  combinations of nine widths for each hidden layer, by norm and
                  OSSuM and by prune-and-build; parameters removed and accuracy
                  of each, and the best one

python tools/studies/run.py ossum --config=configs/ossum.py:two_layers_mnist \\
    --runs=runs/ossum

FC-1000, pruned and then trained:

python tools/train.py --config=configs/ossum.py --workdir=runs/one

Not said in the paper: whether layers have biases (here they are zero, and not
rescaled), how the gates of the supermask begin, its momentum and its batch
size, the batches of training (128 here), which norm is meant (the L2 norm of
what a neuron reads, of the full network; OSSuM sees what it leaves), and
whether r in N(0, r) is the variance. That CIFAR-10 is fine-tuned for 15 epochs
is read into a sentence that says MNIST twice. The supermask is left out of the
networks of 100,000 neurons, where it takes about 0.8 hours a seed on a CPU.

In the search, the paper has 730 networks of each kind, of widths that it does
not name, and chooses by test accuracy. Here the choice is made on 6,000
training images that are held out, neurons are scored on 10,000 others, and only
the network that is chosen is tested.
"""

from kprune.experiment import rows

_SETTINGS = {
    "dataset": {"name": "mnist", "normalization": "ossum"},
    "model": {
        "name": "fc",
        "widths": [1000],
        "activation": "tanh",
        "initializer": "fan_in_uniform",
    },
    "pruner": {"method": "ossum", "sparsity": 0.9, "batches": None},
    "training": {"epochs": 20},
    "paper": {"metric": "test accuracy %"},
}
_DATASETS = {
    "mnist": {"dataset.augment": None},
    "cifar10": {
        "dataset.name": "cifar10",
        "dataset.augment": False,
        "dataset.normalization": "half",
        "training.epochs": 50,
    },
}
_DEEP = {"model.widths": [1000] * 3, "pruner.method": "ossum_norm"}
_OSSUM = ["ossum", "linear_ossum", "log_ossum"]
_OSSUM_NORM = [f"{method}_norm" for method in _OSSUM]
_OTHERS = ["neuron_norm", "neuron_random", "coreset"]
_ALL = {"variants": {"all": {}}}


def _row(where, experiment, quick, *changes, widths=(50,)):
    """Returns the row of an experiment, which `quick` changes and `widths` are
    of for its quick form, with further changes."""
    row = {key: value for change in changes for key, value in change.items()}
    return {
        **row,
        "paper.source": f"https://openreview.net, ICLR 2022: OSSuM, {where}",
        "paper.experiment": experiment,
        "quick": {
            "model.widths": list(widths),
            "paper.experiment": {**experiment, **quick},
        },
    }


def _two_layers(dataset):
    # What is kept, in thousandths of the neurons.
    kept = [10, 20, 50, 100, 150, 200, 250, 300, 400, 500, 600, 750, 900, 1000]
    methods = [*_OSSUM, *_OTHERS, "supermask"]
    variants = {
        f"fc{width}": {
            "model": {"widths": [width]},
            "kept": [width * share // 1000 for share in kept],
            "methods": methods if width < 100_000 else methods[:-1],
        }
        for width in (1000, 10_000, 100_000)
    }
    fc50 = {"model": {"widths": [50]}, "kept": [5, 25, 50], "methods": methods}
    experiment = {
        "name": f"two_layers_{dataset}",
        "kind": "curves",
        "supermask": {"epochs": 15 if dataset == "mnist" else 30},
        "seeds": [0, 1, 2, 3, 4],
        "variants": variants,
    }
    quick = {
        "name": "quick",
        "supermask": {"epochs": 1},
        "seeds": [0, 1],
        "variants": {"fc50": fc50},
    }
    changes = _DATASETS[dataset]
    return _row("figure 1", experiment, quick, changes, widths=(1000,))


def _ablation(name, option, values):
    experiment = {
        "name": name,
        "kind": "curves",
        "methods": _OSSUM,
        "kept": [100, 200, 500, 1000, 2000, 3000, 5000, 7500, 10_000],
        "seeds": [0, 1, 2, 3, 4],
        "variants": {value: {"model": {option: value}} for value in values},
    }
    quick = {"name": "quick_ablations", "kept": [5, 25, 50], "seeds": [0]}
    changes = {"model.widths": [10_000]}
    return _row("figure 5", experiment, quick, changes)


def _initializations():
    values = ["fan_in_constant", "fan_in_uniform", "fan_in_normal"]
    row = _ablation("initializations", "initializer", values)
    # N(0, r) by its variance: N(0, r^2) times sqrt(1 / r) = fan_in^(1/4).
    row["paper.experiment"]["variants"]["fan_in_normal_variance"] = {
        "model": {"initializer": "fan_in_normal"},
        "spread": 0.25,
    }
    return row


def _deep(dataset):
    experiment = {
        "name": f"deep_{dataset}",
        "kind": "untrained",
        "methods": [*_OSSUM_NORM, "pab", "linear_pab", *_OTHERS[:2]],
        "kept": [12, 25, 50, 100, 200, 350, 600, 800],
        "seeds": [0, 1, 2],
        **_ALL,
    }
    quick = {"name": "quick_deep", "kept": [5, 10], "seeds": [0]}
    changes = (_DATASETS[dataset], _DEEP)
    return _row("figure 3", experiment, quick, *changes, widths=[20] * 3)


def _then_trained(dataset):
    epochs = 20 if dataset == "mnist" else 50
    experiment = {
        "name": f"then_trained_{dataset}",
        "kind": "then_trained",
        "methods": [*_OSSUM_NORM, "pab", *_OTHERS[:2]],
        "kept": [12, 25, 50, 100, 200],
        "phases": [["adam", 0.001, epochs]],
        "seeds": [0, 1, 2],
        "variants": {
            "rescaled": {"rescale": True},
            "as_drawn": {"rescale": False},
        },
    }
    quick = {
        "name": "quick_then_trained",
        "kept": [5, 10],
        "phases": [["adam", 0.001, 1]],
        "seeds": [0],
    }
    changes = (_DATASETS[dataset], _DEEP, {"training.optimizer": "adam"})
    return _row("figures 4 and 7", experiment, quick, *changes, widths=[20] * 3)


def _after_training(dataset, width, layers=1):
    mnist = dataset == "mnist"
    end = "" if layers == 1 else f"x{layers}"
    experiment = {
        "name": f"after_training_{dataset}_fc{width}{end}",
        "kind": "after_training",
        "methods": [*_OSSUM, *_OTHERS],
        "kept": [width * n // 1000 for n in (10, 20, 50, 100, 200, 500)],
        "phases": [
            ["sgd", rate, 5 if mnist else 10] for rate in (0.1, 0.01, 0.001)
        ],
        "fine_tuning": [["sgd", 0.01, 7 if mnist else 15]],
        "seeds": [0, 1, 2],
        **_ALL,
    }
    quick = {
        "name": "quick_after_training",
        "kept": [5, 25],
        "phases": [["sgd", 0.1, 1], ["sgd", 0.01, 1]],
        "fine_tuning": [["sgd", 0.01, 1]],
        "seeds": [0],
    }
    changes = [_DATASETS[dataset], {"model.widths": [width] * layers}]
    if layers > 1:
        experiment["methods"] = [*_OSSUM_NORM, *_OTHERS]
        experiment["phases"] = [["adam", 0.001, 20 if mnist else 50]]
        experiment["fine_tuning"] = [["adam", 0.001, 10 if mnist else 15]]
        quick["name"] = "quick_after_training_deep"
        changes.append(_DEEP)
    where, widths = "figures 2 and 4", [50] * layers
    return _row(where, experiment, quick, *changes, widths=widths)


def _search():
    experiment = {
        "name": "search",
        "kind": "search",
        "methods": ["ossum_norm", "pab"],
        "widths": [10, 25, 50, 100, 200, 300, 450, 600, 800],
        "examples": 10_000,
        "validation": 6000,
        "seeds": [0],
        **_ALL,
    }
    quick = {
        "name": "quick_search",
        "widths": [5, 10],
        "examples": 200,
        "validation": 100,
    }
    return _row("section 4.4", experiment, quick, _DEEP, widths=[20] * 3)


ROWS = {
    **{f"two_layers_{name}": _two_layers(name) for name in _DATASETS},
    "activations": _ablation(
        "activations", "activation", ["tanh", "relu", "sigmoid"]
    ),
    "initializations": _initializations(),
    **{f"deep_{name}": _deep(name) for name in _DATASETS},
    **{f"then_trained_{name}": _then_trained(name) for name in _DATASETS},
    **{
        f"after_training_{name}_fc{width}": _after_training(name, width)
        for name in _DATASETS
        for width in (1000, 10_000)
    },
    **{
        f"after_training_{name}_fc1000x3": _after_training(name, 1000, 3)
        for name in _DATASETS
    },
    "search": _search(),
}
_QUICK = {"dataset.normalization": "default"}


def get_config(arg=""):
    return rows.config(arg, ROWS, _SETTINGS, _QUICK)
