"""What the sanity checks of a section say, in sentences."""

from comparison.tables import percent

from kprune.analysis import sanity


def sentences(section):
    """Yields a line on each sanity check beside whose runs are the method's.

    Args:
        section: `comparison.sections.Section`.
    """
    plain = {row.method: row for row in section.rows if row.check is None}
    for row in section.rows:
        if row.check is None or row.method not in plain:
            continue
        for sparsity, figure in sorted(row.measured.items()):
            against = plain[row.method].measured.get(sparsity)
            if against is not None:
                found = sanity.verdict(
                    against.values, figure.values, row.method, row.check
                )
                yield f"At {percent(sparsity)}, {found}."
