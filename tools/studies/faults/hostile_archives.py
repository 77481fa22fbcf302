"""Makes `.npz` files that say of themselves what is not so, byte by byte."""

import io
import struct
import warnings
import zipfile
import zlib

import numpy as np

# Where a field stands in an entry of a zip's directory, and how wide it is.
_FIELDS = {
    "version": (6, "<H"),
    "flags": (8, "<H"),
    "method": (10, "<H"),
    "checksum": (16, "<I"),
    "packed": (20, "<I"),
    "unpacked": (24, "<I"),
    "comment": (32, "<H"),
}
_NPY = io.BytesIO()
np.save(_NPY, np.ones(3, "f4"))
PICKLED = io.BytesIO()
np.save(PICKLED, np.array([print, None], object), allow_pickle=True)


def npy(header=None, data=b"", *, descr="|u1", shape="(3,)", version=1):
    """Returns the bytes of an array with a header that says anything."""
    if header is None:
        header = (
            f"{{'descr': '{descr}', 'fortran_order': False, "
            f"'shape': {shape}, }}\n"
        )
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def archive(members, method=zipfile.ZIP_DEFLATED):
    """Returns the bytes of a zip of pairs (name, bytes), names as given."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as found:
        for name, data in members:
            # `writestr` would mend some names.
            entry = zipfile.ZipInfo()
            entry.filename, entry.compress_type = name, method
            with warnings.catch_warnings(action="ignore"):  # Twice a name.
                found.writestr(entry, data)
    return file.getvalue()


def members(data):
    """Returns the pairs (name, bytes) of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return [(name, found.read(name)) for name in found.namelist()]


def patched(data, member=0, **values):
    """Returns a zip of which an entry of the directory says other values."""
    data, at = bytearray(data), -1
    for _ in range(member + 1):
        at = data.index(b"PK\1\2", at + 1)
    for name, value in values.items():
        offset, form = _FIELDS[name]
        struct.pack_into(form, data, at + offset, value)
    return bytes(data)


def bomb(name, size):
    """Returns a zip of one array of zero bytes, a thousandth of its size."""
    return archive(
        [(name, npy(shape=f"({size},)") + bytes(size))], zipfile.ZIP_DEFLATED
    )


def claim(name, size):
    """Returns a zip of a few bytes that claims an array of `size` bytes."""
    header = npy(shape=f"({size},)")
    found = archive([(name, header)], zipfile.ZIP_STORED)
    return patched(found, unpacked=min(size + len(header), 2**32 - 2))


def of_any_reader(data):
    """Returns hostile variants of a good file, a dict by what is done to it."""
    first, *others = members(data)
    name, array = first

    def first_as(*pairs, method=zipfile.ZIP_DEFLATED):
        return archive([*pairs, *others], method)

    changed = bytearray(array)
    changed[-1] ^= 1
    return {
        "an empty file": b"",
        "an .npy": _NPY.getvalue(),
        "a text": b"masks",
        "half of it": data[: len(data) // 2],
        "without its last byte": data[:-1],
        "an empty zip": archive([]),
        "encrypted": patched(data, flags=1),
        "a version unknown": patched(data, version=99),
        "a compression unknown": patched(data, method=97),
        "bzip2": first_as(first, method=zipfile.ZIP_BZIP2),
        "lzma": first_as(first, method=zipfile.ZIP_LZMA),
        "another checksum": patched(data, checksum=zlib.crc32(changed)),
        "8 GiB from 200 bytes": claim(name, 2**33),
        "4 GiB claimed": patched(data, unpacked=2**32 - 2),
        "more bytes than there are": patched(data, packed=2**31),
        "a comment over the rest": patched(data, comment=60_000),
        "fewer bytes unpacked": patched(data, unpacked=len(array) - 1),
        "a name twice": first_as(first, first),
        "../": first_as((f"../{name}", array)),
        "a/../b": first_as((f"a/../{name}", array)),
        "/": first_as((f"/{name}", array)),
        "a//b": first_as((f"a//{name}", array)),
        "a\\b": first_as((f"a\\{name}", array)),
        "a line break": first_as((f"a\n{name}", array)),
        "no .npy": first_as((name.removesuffix(".npy"), array)),
        "a directory": first_as(("a/", b""), first),
        "a long name": first_as((f"{'a' * 60_000}.npy", array)),
        "one array less": archive(others),
        "one array more": first_as(first, ("more.npy", npy(data=b"abc"))),
        **{what: first_as((name, found)) for what, found in _arrays().items()},
    }


def _arrays():
    """Returns the bytes of arrays that are none, by what is wrong."""
    nested = "(" * 4000
    return {
        "no array": b"masks",
        "a pickle": PICKLED.getvalue(),
        "a negative shape": npy(shape="(-3,)", data=b"abc"),
        "two negative lengths": npy(shape="(-3, -1)", data=b"abc"),
        "a larger shape": npy(shape="(4,)", data=b"abc"),
        "a smaller shape": npy(shape="(2,)", data=b"abc"),
        "an endless shape": npy(shape=f"({2**62}, {2**62})", data=b"abc"),
        "10^4000 entries": npy(shape=f"({10**4000},)", data=b"abc"),
        "a hundred axes": npy(shape=f"({'1, ' * 100})", data=b"a"),
        "entries of no bytes": npy(descr="<U0", shape=f"({2**60},)"),
        "records": npy("{'descr': [('a', '<f4')], 'shape': ()}\n"),
        "an unknown type": npy(descr="<f3", data=b"abcdefghi"),
        "booleans of 2": npy(descr="|b1", data=b"\0\1\2"),
        "no characters": npy(descr="<U1", shape="()", data=b"\xff" * 4),
        "a call in the header": npy("{'descr': print(1), 'shape': ()}\n"),
        "a nested header": npy(f"{{'descr': {nested}\n"),
        "a long header": npy(f"{' ' * 60_000}\n"),
        "a header of 4 GiB": npy(version=2)[:8] + b"\xff" * 8,
        "version 9": npy(version=9, data=b"abc"),
    }
