"""What came out when a kind of fault was tried."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A row of the table.

    Args:
        what: String, the fault, such as "killed at each file operation: GMP".
        cases: Integer, how often it was tried.
        found: String, what came out, such as "all finished, equal files".
        failures: List of strings, a line for each case that came out wrong.
    """

    what: str
    cases: int
    found: str
    failures: list = dataclasses.field(default_factory=list)
