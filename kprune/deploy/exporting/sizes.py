"""Measures the bytes of a file or directory, plain and gzipped."""

import pathlib
import zlib

_CHUNK = 1 << 20
_LEVEL, _GZIP = 6, 31  # What `gzip` compresses by, and that it is a gzip file.


def measure(*paths):
    """Returns the bytes of files, or of all files below directories, and those
    of one stream of them all once it is gzipped."""
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP)
    size = gzipped = 0
    for file in _files(paths):
        with file.open("rb") as stream:
            for chunk in iter(lambda s=stream: s.read(_CHUNK), b""):
                size += len(chunk)
                gzipped += len(compressor.compress(chunk))
    return size, gzipped + len(compressor.flush())


def _files(paths):
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file())
        else:
            yield path
