"""One method of the literature."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """A method, and where it is.

    Attributes:
        name: What the literature calls it.
        call: A Python expression that uses it.
        paper: Authors and year.
        link: Address of the paper, or an empty string.
        test: `"tests/FILE.py::NAME"` of the test with a number worked out.
        deviation: Where kprune parts from the paper, or what it leaves open
            and kprune chose; an empty string if there is nothing.
    """

    name: str
    call: str
    paper: str
    link: str
    test: str
    deviation: str = ""
