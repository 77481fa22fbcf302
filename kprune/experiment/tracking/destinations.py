"""TensorBoard, Weights & Biases and MLflow behind the same calls.

Each class takes (workdir, name, settings, held): the run's directory, its
name, its config by dotted key, and the id `held` of an earlier start, from
which a resumed run continues, or `None`. `check` raises `ValueError` if the
service cannot be used; it starts nothing.
"""

import contextlib
import json
import os
import pathlib
import uuid

import tensorflow as tf

from kprune.experiment import directory
from kprune.runtime import extras, files, lookup


class TensorBoard:
    """Event files in the run's directory, in `tensorboard/kprune`.

    A resumed run writes them anew. TensorBoard shows no files: the page and
    the models stay in the run's directory.
    """

    held = None

    @staticmethod
    def check():
        extras.load("tensorboard", "`track` of 'tensorboard'")

    def __init__(self, workdir, name, settings, held):
        path = workdir / directory.TENSORBOARD / "kprune"
        files.remove(path)
        self._writer = tf.summary.create_file_writer(str(path))
        lines = [f"{key} = {value!r}" for key, value in settings.items()]
        text = "\n".join(f"    {line}" for line in [name, *lines])
        with self._writer.as_default():
            tf.summary.text("config", text, step=0)

    def log(self, values, step):
        """Logs numbers by name."""
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)
        self._writer.flush()

    def finish(self, values, paths):
        """Logs the result and files, and marks the run as finished."""
        del paths
        self.log(values, step=0)
        self._writer.close()

    def stop(self):
        """Closes the service and leaves the run open to be resumed."""
        self._writer.close()


class Wandb:
    """A run of Weights & Biases; `WANDB_MODE=offline` writes local files only.

    The project is `WANDB_PROJECT`, or "kprune". A resumed run keeps its id.
    """

    @staticmethod
    def check():
        wandb = extras.load("wandb", "`track` of 'wandb'")
        if os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun"):
            return
        way = "Set WANDB_MODE=offline to write files alone."
        if not (os.environ.get("WANDB_API_KEY") or wandb.api.api_key):
            raise ValueError(
                "W&B has no key of yours: `wandb login` asks for it, or set "
                f"WANDB_API_KEY. {way}"
            )
        try:
            wandb.Api(timeout=10).viewer  # noqa: B018
        except Exception as error:  # It raises many kinds.
            raise ValueError(
                f"W&B's server does not answer: {_first_line(error)}. {way}"
            ) from error

    def __init__(self, workdir, name, settings, held):
        import wandb

        self.held = held or uuid.uuid4().hex[:12]
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "kprune"),
            dir=workdir,
            id=self.held,
            name=name,
            config=settings,
            resume="allow",
            settings=wandb.Settings(silent=True, disable_git=True),
        )
        self._first = self._run.step  # The server has the steps before it.

    def log(self, values, step):
        if step >= self._first:
            self._run.log(values, step=step)

    def finish(self, values, paths):
        import wandb

        self._run.summary.update(values)
        held = wandb.Artifact(f"run-{self.held}", type="run")
        for path in paths:
            held.add_file(str(path), policy="immutable")
        self._run.log_artifact(held)
        self._run.finish()

    def stop(self):
        self._run.finish(exit_code=1)


class MLflow:
    """A run of MLflow, on the server or in the files of `MLFLOW_TRACKING_URI`.

    The experiment is `MLFLOW_EXPERIMENT_NAME`, or "kprune". A resumed run
    continues the same run, and does not log its values again.
    """

    @staticmethod
    def check():
        extras.load("mlflow", "`track` of 'mlflow'")
        with _without_patience():
            client = _mlflow()
            try:
                client.search_experiments(max_results=1)
            except Exception as error:  # It raises many kinds.
                raise ValueError(
                    f"MLflow does not answer at {client.tracking_uri}: "
                    f"{_first_line(error)}. Start the server, or set "
                    "MLFLOW_TRACKING_URI to another one or to "
                    "sqlite:///NAME.db."
                ) from error

    def __init__(self, workdir, name, settings, held):
        self._client = client = _mlflow()
        if held is None:
            experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "kprune")
            known = client.get_experiment_by_name(experiment)
            place = known and known.experiment_id
            place = place or client.create_experiment(experiment)
            held = client.create_run(place, run_name=name).info.run_id
            for key, value in settings.items():
                client.log_param(held, key, json.dumps(value)[:6000])
        else:
            client.update_run(held, status="RUNNING")
        self.held = held
        self._histories = {}

    def log(self, values, step):
        for name, value in values.items():
            if self._history(name).get(step) != value:
                self._client.log_metric(self.held, name, value, step=step)
                self._histories[name][step] = value

    def _history(self, name):
        """Returns the values of a metric that the run holds, by step."""
        if name not in self._histories:
            found = self._client.get_metric_history(self.held, name)
            self._histories[name] = {one.step: one.value for one in found}
        return self._histories[name]

    def finish(self, values, paths):
        self.log(values, step=0)
        for path in paths:
            self._client.log_artifact(self.held, str(path))
        self._client.set_terminated(self.held, "FINISHED")

    def stop(self):
        self._client.set_terminated(self.held, "KILLED")


DESTINATIONS = {"tensorboard": TensorBoard, "wandb": Wandb, "mlflow": MLflow}


def check(names):
    """Raises `ValueError` unless all destinations of a config can be used.

    Args:
        names: List of names of `DESTINATIONS`, or `None` for none.
    """
    expected = f"a list of {', '.join(DESTINATIONS)}"
    if names is not None and not isinstance(names, list | tuple):
        raise ValueError(
            f"Expected `config.track` to be {expected}. Received: {names!r}"
        )
    for name in names or ():
        lookup.choose(name, DESTINATIONS, "destination in `config.track`")
    for name in names or ():
        DESTINATIONS[name].check()


def _mlflow():
    from mlflow.tracking import MlflowClient

    return MlflowClient()


@contextlib.contextmanager
def _without_patience():
    """Limits MLflow to one attempt for a block: it would try for minutes.

    Variables that the user has set stay.
    """
    short = {"MAX_RETRIES": "0", "TIMEOUT": "30"}
    short = {f"MLFLOW_HTTP_REQUEST_{k}": v for k, v in short.items()}
    before = {key: os.environ.get(key) for key in short}
    os.environ.update({k: v for k, v in short.items() if before[k] is None})
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)


def _first_line(error):
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


def held_in(path):
    """Returns the ids in a run's tracking file, by destination."""
    return files.read_record(pathlib.Path(path)) or {}
