"""Builds Tiny-ImageNet from its archive for tensorflow-datasets.

Importing this module registers the set with tensorflow-datasets. kprune imports
it only when the set is loaded.
"""

import hashlib
import zipfile

import tensorflow_datasets as tfds

from kprune.datasets import storage

_ROOT = "tiny-imagenet-200"
_ARCHIVE = f"{_ROOT}.zip"
_URL = f"https://cs231n.stanford.edu/{_ARCHIVE}"
# The publisher gives no checksum. This is the checksum of the 248,100,043 bytes
# that many projects have downloaded from there since 2015.
_SHA256 = "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"


class TinyImagenet(tfds.core.GeneratorBasedBuilder):
    """Photographs of 64 x 64 pixels of 200 classes of ImageNet.

    Labels are places in the sorted list of the classes' WordNet ids. The test
    images of the archive have no labels and are left out.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Without a network, fetch {_URL} elsewhere and put it into "
        "`downloads/manual` of the data folder, as it is."
    )

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(64, 64, 3), encoding_format="jpeg"
                    ),
                    "label": tfds.features.ClassLabel(num_classes=200),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://cs231n.stanford.edu",
        )

    def _split_generators(self, dl_manager):
        archive = _by_hand(dl_manager) or self._downloaded(dl_manager)
        _check(archive)
        return {
            "train": self._generate_examples(archive, _training),
            "validation": self._generate_examples(archive, _validation),
        }

    def _downloaded(self, dl_manager):
        try:
            storage.reach(_URL)
        except OSError as error:
            raise OSError(
                f"{error}\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            ) from error
        return dl_manager.download(_URL)

    def _generate_examples(self, archive, images):
        # Read inside the archive: unpacked, it has 110,000 files.
        with archive.open("rb") as file, zipfile.ZipFile(file) as files:
            ids = sorted(_lines(files, "wnids.txt"))
            labels = {wordnet_id: k for k, wordnet_id in enumerate(ids)}
            for path, wordnet_id in images(files):
                image, label = files.read(path), labels[wordnet_id]
                yield path, {"image": image, "label": label}


def _check(archive):
    """Raises `ValueError` if the checksum of an archive is wrong."""
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _SHA256:
        raise ValueError(
            f"{archive} is not the archive of Tiny-ImageNet that is known. "
            f"Expected the SHA-256 {_SHA256}. Received: {found}. Remove it "
            "and fetch it again."
        )


def _by_hand(dl_manager):
    # `manual_dir` raises AssertionError if the folder does not exist.
    try:
        archive = dl_manager.manual_dir / _ARCHIVE
    except AssertionError:
        return None
    return archive if archive.exists() else None


def _training(files):
    """Yields the path and the class of each `train/CLASS/images/*.JPEG`."""
    for path in files.namelist():
        if path.startswith(f"{_ROOT}/train/") and path.endswith(".JPEG"):
            yield path, path.split("/")[2]


def _validation(files):
    """Yields the path and the class of each image in val_annotations.txt."""
    for line in _lines(files, "val/val_annotations.txt"):
        name, wordnet_id = line.split("\t")[:2]
        yield f"{_ROOT}/val/images/{name}", wordnet_id


def _lines(files, path):
    return files.read(f"{_ROOT}/{path}").decode().splitlines()
