"""`DynamicSparseTraining`: moves masks during training."""

from typing import Any

import keras
import numpy as np

from kprune.callbacks import dynamic
from kprune.callbacks.dynamic import momenta
from kprune.callbacks.dynamic.apply_update import apply_update
from kprune.callbacks.dynamic.exploration import Exploration
from kprune.callbacks.dynamic.gradients import DenseGradients
from kprune.callbacks.dynamic.read_model import array, read_model
from kprune.callbacks.dynamic.train_function import TrainFunction
from kprune.callbacks.pruned_behavior import PrunedBehavior
from kprune.callbacks.step_counter import StepCounter
from kprune.runtime import checks, distribution, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.words import shown


class DynamicSparseTraining(keras.callbacks.Callback):
    """Trains a sparse network while dropping and growing weights.

    The model's initial masks set the budget: prune it first, for example with
    `kprune.prune(model, "random", 0.98, allocation="erk")`. Weights excluded
    there stay dense and are not counted.

    | method | drops | grows | every | drop_fraction | end |
    |---|---|---|---|---|---|
    | `"rigl"` | smallest | largest dense gradient | 100it | 0.3, cosine | 75% |
    | `"set"` | nearest 0 on either side | at random | 1ep | 0.3 | 100% |
    | `"snfs"` | smallest | largest momentum | 1ep | 0.5, cosine | 100% |
    | `"dsr"` | below a threshold | at random | 100it | 0.1 of all | 95% |
    | `"deepr"` | those that change sign | at random | each step | | 100% |
    | `"soft_deepr"` | same | those that come back | each step | | 100% |
    | `"dns"` | below a threshold | above another | 1it | | 75% |
    | `"mest"` | smallest with gradient | at random | 5ep | 0.2, steps | 75% |
    | `"srigl"` | as RigL | to one fan-in of all | 100it | 0.3, cosine | 75% |
    | `"cht"` | smallest | where paths are | 1ep | 0.3 | 100% |
    | `"granet"` | smallest | as RigL, but less | 100it | 0.5, cosine | 100% |
    | `"dpf"` | smallest, more | weights large again | 16it | | 100% |
    | `"acdc"` | smallest, in turn | all, in turn | 5ep | | 90% |
    | `"top_kast"` | the largest stay | the largest | each step | | 100% |
    | `"static"` | nothing | nothing | | | |

    Each is a class in `kprune.callbacks.dynamic`, which documents the paper's
    rule and the options. An update at step t runs between steps t and
    t + 1, also within an execution of several (`steps_per_execution`), which
    then runs step by step. RigL's update replaces the gradient step on its
    batch. `"deepr"`, `"soft_deepr"` and `"top_kast"` always run step by step,
    which costs time; the others cost nothing between updates, except for the
    dense gradients in each step of `"snfs"`, `"dns"` and `"dpf"`. `"granet"`,
    `"dpf"` and `"acdc"` set the final sparsity themselves, and start from any
    model that is less sparse, such as one from `kprune.wrap`.

    Logs `sparsity`, `kept`, `mask_churn` (the number of changes of entries in
    the epoch as a share of all entries), `exploration` (share of the weights
    ever active) and `overlap` (Jaccard index with the initial masks). Resumes
    bit for bit (`kprune.training.fit`).

    Args:
        method: One of the names above, or a
            `kprune.callbacks.dynamic.MaskUpdater`. Defaults to `"rigl"`.
        every: Duration from one update to the next, such as `"100it"` or
            `"1ep"`. Defaults to the method's own.
        drop_fraction: Share of the active weights that an update drops, for
            methods that have one. Defaults to the method's own.
        begin: Duration; the first update comes `every` after it. Defaults to
            0.
        end: Duration; updates come before it. Defaults to the method's own.
        seed: Integer >= 0, for all random choices. Defaults to 0.
        **options: Further options of the method, such as `skip_step=False`.

    Attributes:
        updater: The `kprune.callbacks.dynamic.MaskUpdater` of the method.
        exploration, overlap: Current values of the logged floats; `None`
            before training.

    Raises:
        ValueError: If an argument is invalid; when training begins, if the
            model has no masks, nothing is pruned, or the optimizer lacks what
            the method needs.

    Example:

    >>> model = kprune.prune(model, "random", 0.9, allocation="erk")
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> rigl = kprune.callbacks.DynamicSparseTraining("rigl", every="10it")
    >>> history = model.fit(train, epochs=2, callbacks=[rigl], verbose=0)
    >>> [round(sparsity, 3) for sparsity in history.history["sparsity"]]
    [0.9, 0.9]
    """

    @checked(method=None)
    def __init__(
        self,
        method: str | dynamic.MaskUpdater = "rigl",
        every: int | str | None = None,
        drop_fraction: float | None = None,
        begin: int | str = 0,
        end: int | str | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        if drop_fraction is not None:
            options["drop_fraction"] = drop_fraction
        self.updater = updater = dynamic.get(method, **options)
        if updater.acts_after_steps or not updater.acts:
            acts = "after each step" if updater.acts else "never"
            why = f"None, as method {shown(method)} acts {acts}"
            checks.require(every is None, "every", every, why)
        self.seed = seed
        end = updater.end if end is None else end
        every = updater.every if every is None else every
        self._clock = StepCounter(begin, end, every)
        self._measured = self._function = None  # type: Any
        self._behavior = PrunedBehavior()

    @property
    def exploration(self) -> float | None:
        return self._measured.exploration if self._measured else None

    @property
    def overlap(self) -> float | None:
        return self._measured.overlap if self._measured else None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._weights = read_model(self.model, self.updater)
        self._clock.start(self.params)
        self._warn_if_idle()
        self._prepare_optimizer()
        updater = self.updater
        how = updater.keep_pruned_values, updater.dense_gradients
        self._behavior.change(self.model, *how)
        # Read again: a `Weight` records whether it keeps pruned values.
        self._weights = read_model(self.model, self.updater)
        self._gradients = None
        if updater.needs == "gradients":
            self._gradients = DenseGradients(self.model, self._weights)
        self._epoch = self._rate = self._batch = None  # type: Any
        moment = self._moment(0)
        self._measured = Exploration(moment.masks)
        updater.start(moment)
        self._install()

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._clock.begin_epoch(epoch)
        if epoch != self._epoch:  # Unless the epoch is resumed midway.
            self._measured.begin_epoch()
        self._epoch = epoch

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._batch = batch

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if logs is not None:
            logs.update(self._measured.logs())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._function.remove(self.model)
        if self._gradients is not None:
            self._gradients.hand_on()
        self._behavior.restore(self.model)

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from."""
        return {
            **self._clock.state,
            "epoch": self._epoch,
            "measured": self._measured.get_state(),
            "updater": self.updater.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned; call it after
        `on_train_begin`."""
        self._clock.state = state
        self._epoch = state["epoch"]
        self._measured.set_state(state["measured"])
        self.updater.set_state(state["updater"])

    def _warn_if_idle(self):
        clock, updater = self._clock, self.updater
        last = self._last_step()
        first = clock.begin + (0 if updater.acts_after_steps else clock.every)
        if updater.acts and first >= last:
            user_warnings.warn(
                "No update of the masks will come: the first would be due at "
                f"step {first}, and they cease at step {last}. Lower `every` "
                "or `begin`, raise `end`, or train longer.",
            )

    def _prepare_optimizer(self):
        model = self.model
        if not model.optimizer.built:
            with model.distribute_strategy.scope():
                model.optimizer.build(model.trainable_variables)
        if self.updater.needs == "momenta":
            momenta.check(model.optimizer, self._variables())

    def _variables(self):
        return {name: w.variable for name, w in self._weights.items()}

    def _install(self):
        self._function = TrainFunction.install(
            self.model,
            steps=self._coming_steps,
            due=self._due,
            before=self._before_step,
            after=self._after_step,
            done=lambda: self._clock.advance(self._last),
        )

    def _coming_steps(self):
        batch, self._batch = self._batch, None
        if batch is None:  # The caller is not `fit`.
            return None
        count = self.model.steps_per_execution
        self._last = batch + count - 1
        return range(self._clock.step, self._clock.step + count)

    def _due(self, step):
        begin, end = self._clock.begin, self._clock.end
        if not self.updater.acts:
            return False
        if self.updater.acts_after_steps:
            return begin <= step < end
        return begin < step < end and (step - begin) % self._clock.every == 0

    def _before_step(self, step, batch):
        if self.updater.acts_after_steps:
            rate = self.model.optimizer.learning_rate
            self._rate = float(keras.ops.convert_to_numpy(rate))
            return None
        moment = self._moment(step, batch)
        self._apply(moment)
        if self._gradients is None or not self.updater.skip_step:
            return None
        # The update replaces the step: `fit` shows the metrics unchanged.
        return self.model.get_metrics_result()

    def _after_step(self, step):
        if self.updater.acts_after_steps:
            self._apply(self._moment(step + 1))

    def _moment(self, step, batch=None):
        clock, updater = self._clock, self.updater
        progress = (step - clock.begin) / max(clock.end - clock.begin, 1)
        variables = self._variables()
        values = {n: array(v) for n, v in variables.items()}
        masks = {n: array(w.mask) for n, w in self._weights.items()}
        gradients = momentum = None
        if batch is not None and self._gradients is not None:
            active = {n: np.where(masks[n], w, 0) for n, w in values.items()}
            gradients = self._gradients(active, batch)
        if updater.needs == "momenta":
            momentum = momenta.read(self.model.optimizer, variables)
        return dynamic.TrainingState(
            step=step,
            progress=min(max(progress, 0.0), 1.0),
            weights=values,
            masks=masks,
            seed=self.seed,
            gradients=gradients,
            momenta=momentum,
            learning_rate=self._rate,
            updates_left=self._updates_left(step),
            layouts={n: w.layout for n, w in self._weights.items()},
        )

    def _updates_left(self, step):
        """Returns how many updates come after the one at `step`."""
        return max(self._last_step() - 1 - step, 0) // self._clock.every

    def _last_step(self):
        """Returns the step before which the last update comes."""
        steps, last = self.params.get("steps"), self._clock.end
        if steps:
            last = min(last, steps * self.params["epochs"])
        return last

    def _apply(self, moment):
        change = self.updater.update(moment)
        distribution.check_masks(self.model.distribute_strategy, change.masks)
        keeps = self.updater.keeps_slots
        apply_update(self.model, self._weights, moment.masks, change, keeps)
        self._measured.follow(change.masks)
