"""What a directory was made from, compared with what is asked for now."""


def differences(there, here):
    """Returns where two dicts differ, sorted: (key, value there, value here),
    with `None` where there is no key."""
    keys = sorted({**there, **here})
    pairs = [(key, there.get(key), here.get(key)) for key in keys]
    return [(key, a, b) for key, a, b in pairs if a != b]


def refuse(directory, what, found):
    """Raises `ValueError` if a directory holds something else.

    Args:
        directory: Path.
        what: String, what it holds, such as `"run"`.
        found: List, from `differences`.
    """
    if found:
        lines = [f"  {k}: {a!r} there, {b!r} here\n" for k, a, b in found]
        raise ValueError(
            f"{directory} holds another {what}, which differs in:\n"
            f"{''.join(lines)}Name another directory, or remove that one."
        )
