"""The page of a report: what it shows, that it is whole, and in a browser."""

import base64
import re
import shutil
import subprocess
import zlib
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from networks import conv_net, dense_net, sequential

import kprune
from kprune.analysis.report import drawings

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


class Rows(HTMLParser):
    """Reads which weights have a row, all classes, and what is left open."""

    _VOID = {"meta", "img", "wbr"}

    def __init__(self, page):
        super().__init__()
        self.weights, self.classes, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.classes += attrs.get("class", "").split()
        if "data-weight" in attrs:
            self.weights.append(attrs["data-weight"])
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def pruned():
    """A network in which a filter keeps nothing and another leads nowhere."""
    model = kprune.wrap(conv_net(norm=False))
    masks = kprune.get_masks(model)
    masks["conv/kernel"][..., 0] = False
    masks["conv/kernel"][0, :, :, 2] = False
    rows = masks["fc1/kernel"].reshape(16, 4, 8)  # Positions, filters, units.
    rows[:, 1] = False
    kprune.set_masks(model, masks)
    return model


HISTORY = {"loss": [2.0, 1.0], "val_loss": [2.5, 1.5], "accuracy": [0.5, 0.75]}
CANDIDATES = [
    {
        "sparsity": s,
        "metric": 0.9 - s / 9,
        "interval": [0.8, 0.9],
        "parameters": int(1000 * (1 - s)),
        "multiply_adds": int(9000 * (1 - s)),
        "latency": None,
        "seconds": 1.5,
        "chosen": s == 0.75,
    }
    for s in (0.5, 0.75)
]


@pytest.fixture(scope="module")
def page():
    report = kprune.report(pruned())
    return report.to_html(history=HISTORY, candidates=CANDIDATES)


def test_every_weight_has_a_row_and_the_page_is_well_formed(page):
    found = Rows(page)
    assert found.weights == ["conv/kernel", "fc1/kernel", "fc2/kernel"]
    assert found.open == []


def test_it_needs_nothing_beside_itself(page):
    for word in ("http", "href=", "url(", "@import", "<script"):
        assert word not in page
    sources = re.findall(r'src="([^"]{20})', page)
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base6") for source in sources)


def test_bars_and_strips_show_the_numbers(page):
    # conv: 72 entries, of which a filter's 18 and another's 6 are gone.
    assert "48 of 72, sparsity 0.3333" in page
    assert "30 on a path" in page  # The 18 of the filter that nothing reads.
    row = re.search(r'data-weight="conv/kernel".*', page)[0]
    assert 'style="width: 66.67%"' in row
    strip = re.findall(r'<div class="(\w+)" style="flex: (\d+)"', row)
    # Filter 3 is whole, filter 2 has two thirds, 1 leads nowhere, 0 is dead.
    expected = [("path4", "1"), ("path3", "1"), ("kept", "1"), ("dead", "1")]
    assert strip == expected
    assert "4, 1 on no path, 1 dead" in row


def test_curves_and_candidates_are_there_if_they_are_given(page):
    assert page.count("<polyline") == 3
    assert page.count("<circle") == 2
    assert page.count('class="best"') == 1
    assert "<td>0.8 to 0.9</td>" in page and "<td>2,250</td>" in page
    assert "metric over multiply-adds; the chosen one is red" in page
    plain = kprune.report(pruned()).to_html()
    assert "Candidates" not in plain and "Training" not in plain


def test_histories_in_other_forms():
    report = kprune.report(pruned())
    expected = report.to_html(history={"loss": [2.0, 1.0]})
    history = keras.callbacks.History()
    history.history = {"loss": [2.0, 1.0]}
    lines = [{"epoch": 1, "loss": 2.0, "seconds": 3.0}]
    lines += [{"epoch": 2, "loss": 1.0}, {"test_loss": 9.0}]
    assert report.to_html(history=history) == expected
    assert report.to_html(history=lines) == expected


def test_names_are_no_markup():
    layer = keras.layers.Dense(2, name="a&<b>")
    model = sequential((3,), layer, name="<script>alert(1)")
    page = kprune.report(model).to_html(candidates=[{"<i>": "<u>"}])
    assert Rows(page).weights == ["a&<b>/kernel"]
    for tag in ("<script>", "<b>/", "<i>", "<u>"):
        assert tag not in page


def test_a_collapsed_layer_and_one_that_is_not_pruned_are_told():
    model = kprune.prune(dense_net(), "magnitude", 0.5, exclude="b")
    masks = {"a/kernel": np.zeros((8, 16), bool)}
    kprune.set_masks(model, masks)
    report = kprune.report(model)
    page = report.to_html()
    assert "Layer collapse: 1 of 1 weights keep nothing: a/kernel." in page
    assert "not pruned: excluded" in page
    report = kprune.report(model, multiply_adds=False, paths=False)
    assert "Multiply-adds: n/a (not asked for)." in report.to_html()


def test_it_is_written_whole(tmp_path):
    report = kprune.report(pruned())
    path = tmp_path / "report.html"
    assert report.to_html(path) == path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="no directory is"):
        report.to_html(tmp_path)


# Of masks, what is drawn.


def test_a_matrix_is_drawn_point_by_point():
    model = kprune.wrap(sequential((2,), keras.layers.Dense(3, name="fc")))
    mask = np.array([[1, 0, 1], [0, 0, 1]], bool)
    kprune.set_masks(model, {"fc/kernel": mask})
    drawing = kprune.report(model).drawings["fc/kernel"]
    np.testing.assert_array_equal(drawing.picture, mask)
    assert drawing.units == (("path4", 1), ("path2", 1), ("dead", 1))
    # A PNG of 3 x 2 points of four bytes, each line behind a zero.
    _, code = drawings.png(drawing.picture, (1, 2, 3)).split(",")
    whole = base64.b64decode(code)
    assert whole.startswith(b"\x89PNG") and whole[16:24] == bytes(
        [0, 0, 0, 3, 0, 0, 0, 2]
    )
    size = int.from_bytes(whole[33:37])
    lines = np.frombuffer(zlib.decompress(whole[41 : 41 + size]), "u1")
    points = lines.reshape(2, 13)[:, 1:].reshape(2, 3, 4)
    assert points[0, 0].tolist() == [1, 2, 3, 255]
    assert (points[..., 3] == 255).tolist() == mask.tolist()


def test_filters_are_tiles():
    drawing = kprune.report(pruned()).drawings["conv/kernel"]
    # 2 x 4 filters of 3 x 3, and a point between them.
    assert drawing.picture.shape == (7, 15)
    assert np.isnan(drawing.picture[3]).all()
    np.testing.assert_array_equal(drawing.picture[:3, :3], 0)
    np.testing.assert_array_equal(drawing.picture[4:, 12:], 1)


def test_large_masks_are_means():
    model = kprune.wrap(sequential((600,), keras.layers.Dense(2, name="fc")))
    mask = np.ones((600, 2), bool)
    mask[:300] = False
    kprune.set_masks(model, {"fc/kernel": mask})
    picture = kprune.report(model).drawings["fc/kernel"].picture
    assert picture.shape == (256, 2)
    assert picture.mean() == pytest.approx(0.5, abs=0.01)


def test_drawings_are_no_part_of_the_numbers():
    report = kprune.report(pruned())
    assert "drawings" not in report.to_dict()
    assert "drawings" not in repr(report)


_WRONG = {
    "history": ({"history": 3}, "a `History` of `fit`"),
    "words": ({"history": {"loss": ["a"]}}, "a `History` of `fit`"),
    "candidates": ({"candidates": {"metric": 1}}, "a list of dicts"),
    "interval": (
        {"candidates": [{"interval": [1]}]},
        "interval \\(low, high\\)",
    ),
    "field": ({"candidates": [{"metric": [1]}]}, "a list of dicts"),
}


@pytest.mark.parametrize("options, words", _WRONG.values(), ids=_WRONG)
def test_what_is_refused(options, words):
    report = kprune.report(dense_net(), multiply_adds=False, paths=False)
    with pytest.raises(ValueError, match=words):
        report.to_html(**options)


# In a browser.


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium")
def test_a_browser_shows_every_row_without_an_error(page, tmp_path):
    path, picture = tmp_path / "report.html", tmp_path / "report.png"
    path.write_text(page, encoding="utf-8")
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += ["--enable-logging=stderr", f"--user-data-dir={tmp_path}/user"]
    shown = subprocess.run(
        [*command, "--dump-dom", f"--screenshot={picture}", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in shown.stderr
    found = Rows(shown.stdout)
    assert found.weights == ["conv/kernel", "fc1/kernel", "fc2/kernel"]
    assert found.classes.count("chart") == 3
