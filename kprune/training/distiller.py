"""Distillation: a student that also learns from a teacher.

    loss = (1 - alpha) loss_of_the_labels + alpha T^2 KL(teacher || student)

Hinton et al., 2015, https://arxiv.org/abs/1503.02531. The distances are in
`soft_targets`.
"""

import contextlib
import inspect
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from kprune.masking import weights
from kprune.runtime import checks, files, keras_internals, types
from kprune.runtime.doors import checked
from kprune.training import soft_targets, teaching


def _names(name, value):
    """Returns a dict from the student's layer names to the teacher's."""
    if isinstance(value, str | list | tuple):
        value = {one: one for one in checks.patterns(name, value)}
    return checks.dict_of(checks.string, "names of layers")(name, value)


def _model(name, value):
    expected = "a built keras.Model"
    checks.instance(name, value, keras.Model, expected)
    checks.require(not isinstance(value, Distiller), name, value, expected)
    weights.check_built(value)
    return value


class Distiller(keras.Model):
    """A model that learns from a teacher's outputs as well as from labels.

        loss = (1 - alpha) own + alpha T^2 KL(teacher || student)
               + feature_weight * the sum of feature distances
               + attention_weight * the sum of attention distances

    `own` is what the student's `compute_loss` returns, regularization
    included. The divergence is that of the softmax of logits / T, as in Hinton
    et al.; outputs whose loss is not a cross-entropy are compared by their
    mean squared difference. The teacher runs in inference mode and is not
    modified.

    `fit` trains the student by its own `fit`, with its own `train_step`,
    `compute_loss`, strategy and precision, and callbacks see the student.
    `compile`, `evaluate`, `predict` and `save` act on the student alone.
    `kprune.training.fit` accepts a `Distiller` too.

    Args:
        student: A built Keras model. It is trained in place.
        teacher: A built Keras model with the same outputs.
        temperature: Float > 0, T. Defaults to 4.
        alpha: Float in [0, 1], the weight of the teacher's outputs. Defaults
            to 0.9, with T as in Zagoruyko & Komodakis, 2017.
        features: Layers whose outputs are compared by their mean squared
            difference: a name or list of names that both models have, or a
            dict from a layer of the student to one of the teacher. If a layer
            is called several times, the last call counts.
        attention: Layers whose attention is compared, given likewise: the
            scores of `MultiHeadAttention` by their mean squared difference;
            image features by the squared distance of their normalized sums of
            squares over the channels, whose number may differ.
        feature_weight, attention_weight: Floats >= 0. Default to 1.
        outputs: The kind of the outputs: `"logits"`, `"probabilities"`,
            `"binary_logits"`, `"binary_probabilities"` or `"values"`. Defaults
            to what the losses or the last activations tell.

    Raises:
        ValueError: If an argument is invalid, the teacher has other outputs,
            or it shares weights with the student.

    Example:

    >>> student = kprune.prune(model, "magnitude", 0.9)
    >>> distiller = kprune.training.Distiller(student, teacher=model)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> distiller.compile("adam", loss)
    >>> history = distiller.fit(train, epochs=1, verbose=0)
    >>> round(kprune.report(student).sparsity, 3)
    0.9
    """

    @checked(
        student=_model,
        teacher=_model,
        temperature=checks.within("(0, inf)"),
        alpha=checks.within("[0, 1]"),
        features=checks.optional(_names),
        attention=checks.optional(_names),
        feature_weight=checks.within("[0, inf)"),
        attention_weight=checks.within("[0, inf)"),
        outputs=checks.one_of(None, *soft_targets.OUTPUTS),
    )
    def __init__(
        self,
        student: types.Model,
        teacher: types.Model,
        *,
        temperature: float = 4.0,
        alpha: float = 0.9,
        features: str | Sequence[str] | dict[str, str] | None = None,
        attention: str | Sequence[str] | dict[str, str] | None = None,
        feature_weight: float = 1.0,
        attention_weight: float = 1.0,
        outputs: str | None = None,
    ):
        super().__init__(name=student.name, dtype=student.dtype_policy)
        _check_apart(student, teacher)
        pair = student, teacher
        self.student = student
        inner = teaching.InnerPairs(
            *pair,
            _names("features", features or {}),
            _names("attention", attention or {}),
            (float(feature_weight), float(attention_weight)),
        )
        outer = teaching.OutputPairs(*pair, float(temperature), outputs)
        # Keras does not track this attribute, so the teacher is neither
        # trained nor counted or saved with the student.
        self._lesson = _Lesson(teacher, outer, inner, float(alpha))
        self.built = True

    @property
    def teacher(self) -> types.Model:
        """The model that the student learns from."""
        return self._lesson.teacher

    @property
    def optimizer(self) -> keras.optimizers.Optimizer | None:
        return self.student.optimizer

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.student.metrics

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.student(*args, **kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compiles the student."""
        self.student.compile(*args, **kwargs)
        self.compiled = True

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains the student with the teacher, by the student's own `fit`."""
        with self.distilling() as student:
            return student.fit(*args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        with self.distilling() as student:
            return student.train_on_batch(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates the student, by its own loss and metrics."""
        return self.student.evaluate(*args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        return self.student.test_on_batch(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        return self.student.predict(*args, **kwargs)

    def predict_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        return self.student.predict_on_batch(*args, **kwargs)

    def save(self, filepath: types.Path, **options: Any) -> None:
        """Saves the student atomically, as its own `save` does."""
        files.write_keras(filepath, self.student, **options)

    def save_weights(self, filepath: types.Path, **options: Any) -> None:
        """Saves the weights of the student atomically."""
        with files.replaced(filepath) as half:
            self.student.save_weights(half, **options)

    def load_weights(self, *args: Any, **kwargs: Any) -> None:
        return self.student.load_weights(*args, **kwargs)

    def export(self, *args: Any, **kwargs: Any) -> Any:
        return self.student.export(*args, **kwargs)

    @contextlib.contextmanager
    def distilling(self) -> Iterator[types.Model]:
        """Returns a context in which the student's train steps learn from the
        teacher; it yields the student. Its functions are retraced."""
        student = self.student
        if not student.compiled:
            raise ValueError(
                f"Model {student.name!r} is not compiled. Expected a call of "
                "`compile` before."
            )
        step = _Step(student, self._lesson)
        own = {"train_step": step.train_step, "compute_loss": step.compute_loss}
        before = {k: vars(student)[k] for k in own if k in vars(student)}
        keras_internals.forget_compiled_functions(student)
        vars(student).update(own)
        try:
            yield student
        finally:
            for name in own:
                del vars(student)[name]
            vars(student).update(before)
            keras_internals.forget_compiled_functions(student)


class _Lesson:
    """The loss by which a student learns from a teacher.

    Args:
        teacher: Keras model.
        outer: `teaching.OutputPairs`.
        inner: `teaching.InnerPairs`.
        alpha: Float, the weight of the outputs.
    """

    def __init__(self, teacher, outer, inner, alpha):
        self.teacher = teacher
        self._outer, self._inner, self._alpha = outer, inner, alpha

    def watching(self):
        """Returns a context that yields a dict; calls of the student fill it
        with layer outputs."""
        return self._inner.student.watching()

    def loss(self, own, x, y_pred, seen, sample_weight):
        """Returns the student's own loss combined with the teacher's part."""
        with self._inner.teacher.watching() as told:
            targets = keras_internals.infer(self.teacher, x)
        part = self._alpha * self._outer.loss(y_pred, targets, sample_weight)
        of_examples = teaching.of_examples(sample_weight)
        part += self._inner.loss(seen, told, of_examples)
        return (1 - self._alpha) * own + keras.ops.cast(part, own.dtype)


class _Step:
    """The `train_step` and `compute_loss` of a student that learns.

    They are its own, with the teacher's part added to the loss inside a train
    step of the same thread.
    """

    def __init__(self, student, lesson):
        self._name, self._lesson = student.name, lesson
        self._train_step = student.train_step
        self._compute_loss = student.compute_loss
        self._signature = inspect.signature(student.compute_loss)
        self._thread = threading.local()

    def train_step(self, *args, **kwargs):
        here = self._thread
        with self._lesson.watching() as here.seen:
            here.asked = False
            try:
                found = self._train_step(*args, **kwargs)
            finally:
                here.seen = None
        if not here.asked:
            raise ValueError(
                f"The `train_step` of model {self._name!r} does not call "
                "`self.compute_loss`, which the teacher adds to. Expected "
                "`loss = self.compute_loss(x=x, y=y, y_pred=y_pred)` in it."
            )
        return found

    def compute_loss(self, *args, **kwargs):
        own = self._compute_loss(*args, **kwargs)
        seen = getattr(self._thread, "seen", None)
        if seen is None:  # Not in a train step: evaluation or building.
            return own
        self._thread.asked = True
        given = self._signature.bind(*args, **kwargs).arguments
        if given.get("x") is None or given.get("y_pred") is None:
            raise ValueError(
                f"Model {self._name!r} calls `compute_loss` without `x` or "
                "`y_pred`, of which the teacher's part is. Expected both."
            )
        weight = given.get("sample_weight")
        return self._lesson.loss(own, given["x"], given["y_pred"], seen, weight)


def _check_apart(student, teacher):
    """Raises `ValueError` if two models share variables."""
    own = {id(v) for v in student.variables}
    if student is teacher or any(id(v) in own for v in teacher.variables):
        raise ValueError(
            "The teacher shares weights with the student. Expected a model of "
            "its own, such as `keras.models.clone_model` makes."
        )
