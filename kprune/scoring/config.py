"""`ScoringConfig`: how scores read the data."""

import dataclasses
from typing import Any

from kprune.runtime import checks, lookup

_CHOICES = {
    "reduce": ("abs_of_mean", "mean_of_abs"),
    "batch_norm": ("train", "eval"),
    "objective": ("loss", "neg_logit"),
    "precision": ("float32", "float64", "policy"),
}
# The replacements of arguments of kprune 0.1, for `runtime.renamed`.
WAYS = {
    "batches": '`scoring={"batches": ...}`',
    "batch_size": '`scoring={"batch_size": ...}`',
    "batch_norm": '`scoring={"batch_norm": ...}`',
    "probe": "`scoring=`, a kprune.ScoringConfig or a dict of its fields",
}


@dataclasses.dataclass(frozen=True)
class ScoringConfig:
    """How criteria that look at data read it and differentiate the loss.

    Args:
        batches: Integer >= 1, how many batches to read, per round for methods
            that take fresh ones. Defaults to all batches.
        batch_size: Integer >= 1, the size to cut arrays, or to re-batch a
            data set, into. Defaults to 128 for arrays and to the data set's
            own.
        per_class: Integer >= 1, how many examples of each class to draw from
            all of the data, without replacement, instead of reading it in
            order. GraSP's authors draw 10. Needs class numbers as labels.
        reduce: How criteria that take the absolute value or the square of a
            gradient combine several batches: `"abs_of_mean"` (default) takes
            it of the mean gradient, `"mean_of_abs"` averages it over the
            batches.
        batch_norm: `"train"` (default) normalizes with each batch's own
            statistics, as the papers do, `"eval"` with the moving ones.
        dropout: Whether dropout is on. Defaults to `False`.
        objective: `"loss"` (default), or `"neg_logit"`: minus the mean logit
            of the true class, which FORCE's released code differentiates
            although its paper says the loss.
        temperature: Number > 0 that logits are divided by. Defaults to the
            criterion's own: 200 for GraSP, else 1.
        precision: The dtype the network computes in while it is scored:
            `"float32"` (default; float64 if the model is), on a copy if the
            model is in half precision; `"float64"`, on a copy; or `"policy"`,
            the model's own, with loss scaling in float16.
        added_losses: Whether the losses that layers add by `add_loss`, such
            as the divergence of a variational layer or an activity
            regularizer, are part of the loss. Defaults to `False`: only the
            compiled loss is scored. Weight regularizers never count.
        compiled: `True` traces derivatives; `False` computes them eagerly,
            which takes up to 1.7 times the memory; `None` (default) traces
            those evaluated often enough to repay the trace. Scores differ by
            rounding. Under a strategy of several replicas everything is
            traced.

    Example:

    >>> scoring = kprune.ScoringConfig(per_class=10, batch_norm="eval")
    >>> model = kprune.prune(model, "grasp", 0.9, data=train, scoring=scoring)
    """

    batches: int | None = None
    batch_size: int | None = None
    per_class: int | None = None
    reduce: str = "abs_of_mean"
    batch_norm: str = "train"
    dropout: bool = False
    objective: str = "loss"
    temperature: float | None = None
    precision: str = "float32"
    added_losses: bool = False
    compiled: bool | None = None

    def __post_init__(self) -> None:
        checks.boolean("added_losses", self.added_losses)
        checks.boolean("dropout", self.dropout)
        if self.compiled is not None:
            checks.boolean("compiled", self.compiled)
        for name, choices in _CHOICES.items():
            checks.choice(name, getattr(self, name), choices)
        for name in ("batches", "batch_size", "per_class"):
            if getattr(self, name) is not None:
                checks.integer(name, getattr(self, name), 1)
        if self.per_class is not None and self.batches is not None:
            raise ValueError(
                "`per_class` draws from all of the data, so `batches` cannot "
                "be given with it. Use `batch_size` to cut what is drawn."
            )
        if self.temperature is not None:
            checks.number("temperature", self.temperature, "(0, inf)")

    def __repr__(self) -> str:
        # Saved searches of kprune 0.1 are compared with this text, so fields
        # newer than 0.1 appear only where they are set.
        fields: Any = dataclasses.asdict(self)
        if not self.added_losses:
            del fields["added_losses"]
        fields = [f"{name}={value!r}" for name, value in fields.items()]
        return f"ScoringConfig({', '.join(fields)})"

    @property
    def of_a_trace(self) -> tuple[Any, ...]:
        """The values of the fields that a trace of the loss depends on."""
        manner = self.batch_norm, self.dropout, self.objective, self.precision
        return *manner, self.added_losses, self.compiled

    def merge(self, base: "ScoringConfig") -> "ScoringConfig":
        """Returns `base` overridden by the non-default fields of `self`."""
        expected = "a kprune.ScoringConfig"
        checks.instance("base", base, ScoringConfig, expected)
        changed = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        return dataclasses.replace(base, **changed)


def get(
    scoring: ScoringConfig | dict[str, Any] | None,
    base: ScoringConfig | None = None,
) -> ScoringConfig:
    """Returns the scoring config of a call, merged with the method's own.

    Args:
        scoring: A `ScoringConfig`, whose non-default fields override `base`;
            a dict of fields, all of which override it; or `None`.
        base: The method's own `ScoringConfig`, or `None` for the defaults.

    Raises:
        ValueError: If `scoring` is none of these, or has an unknown field.

    Example:

    >>> get({"batches": 1}, ScoringConfig(batch_size=16)).batch_size
    16
    """
    base = base or ScoringConfig()
    if scoring is None:
        return base
    if isinstance(scoring, ScoringConfig):
        return scoring.merge(base)
    expected = "a kprune.ScoringConfig or a dict of its fields"
    checks.instance("scoring", scoring, dict, expected)
    known = [field.name for field in dataclasses.fields(ScoringConfig)]
    lookup.check_options(scoring, known, "`scoring`")
    return dataclasses.replace(base, **scoring)
