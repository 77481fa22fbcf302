# %% [markdown]
# # A sweep and its report
#
# One run proves little. A sweep runs a config over methods, sparsities and
# seeds, each in a directory of its own, and resumes where it was stopped. Its
# report has means, deviations and tests. This tutorial runs one on the digits
# and reads it as tables, as a figure and as a DataFrame.

# %%
# Where kprune is not installed, as on Colab, uncomment the next line.
# # %pip install "kprune[plots,results]"

# %%
import pathlib

from IPython.display import SVG

import kprune
import kprune_command

# %% [markdown]
# ## The config
#
# A config is data. Keys that are left out have defaults, and a misspelt key is
# an error. `model.name`, `dataset.name` and `pruner.method` also take your own
# functions, as `"module:function"`: see
# [your own network and data](../how-to/own.md).

# %%
config = {
    "dataset": {"name": "digits", "batch_size": 64},
    "model": {"name": "lenet_300_100"},
    "training": {"optimizer": "adam", "learning_rate": 3e-3, "epochs": 4},
}
complete = kprune.experiment.complete(config)
print(complete.training)

# %% [markdown]
# ## Run
#
# Each method, sparsity and seed is one run, in a process of its own. `"dense"`
# among the methods adds the network without pruning. On the command line, the
# same is `kprune sweep`. Both also run on Slurm and Ray: see
# [scaling](../how-to/scaling.md).

# %%
found = kprune.experiment.run_sweep(
    config,
    "runs",
    methods=["snip", "random"],
    sparsities=[0.98],
    seeds=[0, 1, 2],
)
for name, result in found.items():
    print(f"{name}: {100 * result['test_accuracy']:.1f} %")

# %% [markdown]
# The same call again finds all runs finished, and trains nothing. After a kill,
# it resumes the run that was interrupted from its last checkpoint.

# %%
again = kprune.experiment.run_sweep(
    config, "runs", ["snip", "random"], [0.98], [0, 1, 2]
)
print(again == found)

# %% [markdown]
# ## The report
#
# `kprune report` prints the means, and writes tables and figures. In a shell:
#
#     kprune report --runs=runs --markdown=report.md --svg=report.svg
#
# Here, the same command is called from Python.

# %%
kprune_command.main(
    ["kprune", "report", "--runs=runs", "--markdown=report.md"]
    + ["--svg=report.svg"]
)

# %% [markdown]
# `report.md` also tests all pairs of methods at each sparsity, by Welch's test
# with Holm's correction for their number. Three runs of each are few: read the
# intervals before the means. The line on the shuffled baseline says what this
# sweep leaves open, and the flags that add it to `kprune sweep`.

# %%
SVG("report.svg")

# %% [markdown]
# ## The results as data
#
# `read_results` returns a pandas DataFrame, with a row for each run.

# %%
frame = kprune.experiment.read_results("runs")
table = 100 * frame.groupby("method").test_accuracy.agg(["mean", "std"])
print(table.round(1))

# %% [markdown]
# ## One run
#
# The directory of a run holds its config, the metrics of each epoch, its masks
# and its report.

# %%
directory = pathlib.Path(frame.path[0])
print(*sorted(path.name for path in directory.iterdir()), sep="\n")

# %% [markdown]
# ## Next
#
# - [The papers' experiments](../../configs/README.md) are configs of this form.
# - [Tracking](../how-to/tracking.md): TensorBoard, Weights & Biases, MLflow.
# - [Scaling](../how-to/scaling.md): several GPUs, hosts, Slurm and Ray.
