"""Measures the bytes of a file or directory, plain and gzipped."""

import pathlib
import zlib

from kprune.runtime import types

_CHUNK = 1 << 20
_LEVEL, _GZIP = 6, 31  # gzip's default level; `wbits` for a gzip header.


def measure(*paths: types.Path) -> tuple[int, int]:
    """Returns the total bytes of files and directories, and the bytes of their
    concatenation compressed by gzip."""
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP)
    size = gzipped = 0
    for file in _files(paths):
        with file.open("rb") as stream:
            for chunk in iter(lambda s=stream: s.read(_CHUNK), b""):  # type: ignore[misc]
                size += len(chunk)
                gzipped += len(compressor.compress(chunk))
    return size, gzipped + len(compressor.flush())


def _files(paths):
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file())
        else:
            yield path
