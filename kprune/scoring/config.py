"""`ScoringConfig`: how scores read the data."""

import dataclasses

from kprune.runtime import checks, lookup

_CHOICES = {
    "reduce": ("abs_of_mean", "mean_of_abs"),
    "batch_norm": ("train", "eval"),
    "objective": ("loss", "neg_logit"),
    "precision": ("float32", "float64", "policy"),
}
# What to write for arguments of 0.1, for `runtime.renamed`.
WAYS = {
    "batches": '`scoring={"batches": ...}`',
    "batch_size": '`scoring={"batch_size": ...}`',
    "batch_norm": '`scoring={"batch_norm": ...}`',
    "probe": "`scoring=`, a kprune.ScoringConfig or a dict of its fields",
}


@dataclasses.dataclass(frozen=True)
class ScoringConfig:
    """Which part of the data scores are taken on, and in what manner.

    Args:
        batches: How many batches of the data to read, per round for methods
            that take fresh ones. Defaults to all that there are.
        batch_size: Size to cut arrays, or to re-batch a data set, into.
            Defaults to 128 for arrays and to the data set's own.
        per_class: Examples of each class to draw from all of the data,
            without replacement, instead of reading it in order. GraSP's
            authors take 10. Needs class numbers as labels.
        reduce: What criteria that take an absolute value or a square of a
            first derivative do over several batches: `"abs_of_mean"`
            (default), of the mean gradient, or `"mean_of_abs"`, the mean of
            what each batch gives.
        batch_norm: `"train"` (default) normalizes with each batch's own
            statistics, as the papers do, `"eval"` with the moving ones.
        dropout: Whether dropout is on. Defaults to `False`.
        objective: `"loss"` (default), or `"neg_logit"`: minus the mean logit
            of the true class, which FORCE's released code differentiates
            where its paper says the loss.
        temperature: Number > 0 that logits are divided by. Defaults to the
            criterion's own: 200 for GraSP, else 1.
        precision: What the network computes in while it is scored:
            `"float32"` (default; wider if the model is), on a copy of a model
            of half precision; `"float64"`, on a copy; or `"policy"`, as the
            model computes, with loss scaling in float16.
        added_losses: Whether what layers add by `add_loss` as they run, such
            as the divergence of a variational layer or the regularization of
            activities, is part of the loss. Defaults to `False`: scores are
            of the loss that is compiled. Regularizers of weights never are.
        compiled: Whether derivatives are traced (`True`), or computed one
            operation after the other (`False`), which takes up to 1.7 times
            the memory. `None` (default) traces what is evaluated so often
            that the trace is worth its time. Scores differ by rounding. Under
            a strategy of several replicas all is traced.

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

    def __post_init__(self):
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

    def __repr__(self):
        # What is newer than 0.1 shows where it is set: what 0.1 wrote down of
        # a search is compared with this.
        fields = dataclasses.asdict(self)
        if not self.added_losses:
            del fields["added_losses"]
        fields = [f"{name}={value!r}" for name, value in fields.items()]
        return f"ScoringConfig({', '.join(fields)})"

    @property
    def of_a_trace(self):
        """The fields that a trace of the loss depends on."""
        manner = self.batch_norm, self.dropout, self.objective, self.precision
        return *manner, self.added_losses, self.compiled

    def merge(self, base):
        """Returns `base` with this config's fields that are not default."""
        expected = "a kprune.ScoringConfig"
        checks.instance("base", base, ScoringConfig, expected)
        changed = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        return dataclasses.replace(base, **changed)


def get(scoring, base=None):
    """Returns the scoring config that a call asks for.

    Args:
        scoring: A `ScoringConfig`, of which the fields that are not default
            count, a dict of fields, which all count, or `None`.
        base: The method's own `ScoringConfig`, which they are put over, or
            `None`.

    Raises:
        ValueError: If it is none of these, or has an unknown field.

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
