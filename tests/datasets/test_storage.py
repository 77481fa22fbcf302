"""What a user is told who has not got the data, and that it is told soon."""

import contextlib
import socket
import time
from unittest import mock

import pytest
import requests

import kprune.datasets
from kprune.datasets import storage

tfds = pytest.importorskip("tensorflow_datasets")


class Builder:
    """As much of a builder as `storage` uses."""

    def __init__(self, prepared, error=None):
        self.prepared = prepared
        self.error = error
        self.downloads = 0

    def is_prepared(self):
        return self.prepared

    def download_and_prepare(self):
        self.downloads += 1
        if self.error:
            raise self.error
        self.prepared = True


@pytest.fixture
def use(monkeypatch):
    """Makes tensorflow-datasets answer with a given builder."""

    def replace(builder, reachable=True):
        asked = []

        def fake_builder(name, data_dir):
            asked.append((name, data_dir))
            return builder

        def fake_get(url, **kwargs):
            assert kwargs["timeout"] <= 30
            if not reachable:
                raise requests.ConnectionError(f"no route to {url}")
            return contextlib.nullcontext(mock.Mock())

        monkeypatch.setattr(tfds, "builder", fake_builder)
        monkeypatch.setattr(requests, "get", fake_get)
        return asked

    return replace


def build(name, **kwargs):
    return storage.builder(kprune.datasets.info(name), **kwargs)


def test_what_is_on_disk_is_not_downloaded(use):
    builder = Builder(prepared=True)
    asked = use(builder, reachable=False)
    assert build("imagenette", data_dir="here") is builder
    assert asked == [("imagenette/320px-v2", "here")]
    assert not builder.downloads


def test_what_is_not_on_disk_is_downloaded(use):
    builder = Builder(prepared=False)
    use(builder)
    assert build("cifar100") is builder
    assert builder.downloads == 1


def test_the_folder_defaults_to_the_variable(use, monkeypatch):
    asked = use(Builder(prepared=True))
    monkeypatch.setenv("TFDS_DATA_DIR", "there")
    build("mnist")
    build("mnist", data_dir="here")
    assert asked == [("mnist", "there"), ("mnist", "here")]


def test_no_network_is_found_out_before_the_download(use):
    builder = Builder(prepared=False)
    use(builder, reachable=False)
    with pytest.raises(RuntimeError, match="ConnectionError") as caught:
        kprune.datasets.load("cifar100", data_dir="here")
    assert not builder.downloads
    for advice in (
        "'cifar100' was not found in 'here'",
        "kprune.datasets.load('cifar100', data_dir='FOLDER')",
        "data_dir=",
        "TFDS_DATA_DIR",
        "'digits'",
    ):
        assert advice in str(caught.value)


@pytest.mark.parametrize(
    "error", [AssertionError("by hand"), OSError("disk full"), KeyError("x")]
)
def test_every_failure_to_download_is_one_error(use, error):
    use(Builder(prepared=False, error=error))
    with pytest.raises(RuntimeError, match="could not be") as caught:
        kprune.datasets.load("imagenet2012")
    assert caught.value.__cause__ is error
    assert type(error).__name__ in str(caught.value)


@pytest.mark.parametrize(
    "name", ["cifar100", "imagenet2012", "imagenette", "tiny_imagenet"]
)
def test_the_real_builders_fail_at_once_without_a_network(
    name, tmp_path, monkeypatch
):
    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in the tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    start = time.perf_counter()
    with pytest.raises(RuntimeError, match=f"load\\('{name}', data"):
        kprune.datasets.load(name, data_dir=tmp_path)
    assert time.perf_counter() - start < 20


def test_the_digits_need_no_folder(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/nowhere")
    monkeypatch.setattr(tfds, "builder", None)
    assert len(kprune.datasets.load("digits", batch_size=1437)[0]) == 1
