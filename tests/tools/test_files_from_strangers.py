"""Files from strangers are refused in one sentence: hostile ones, damaged ones
and each bit flipped."""


def test_files_from_strangers(part, tmp_path):
    strangers = part("faults.files_from_strangers")
    # More than 256 MiB, which any file may unpack to.
    outcomes = strangers.measure(tmp_path, [1], 60, bomb=2**28 + 2**20)
    for outcome in outcomes:
        assert outcome.failures == []
        assert f"{outcome.cases} " in outcome.found
    assert [outcome.cases > 2 for outcome in outcomes] == [True] * 4


def test_a_reader_that_is_wrong_is_found(part, tmp_path):
    strangers = part("faults.files_from_strangers")
    path = tmp_path / "file"
    path.write_bytes(b"abc")

    def load(path):
        data = path.read_bytes()
        if len(data) > 3:
            raise KeyError("more")
        return {"data": data.ljust(3, b"c")}

    reader = strangers.Reader(path, load)
    assert reader.fault(b"abcd") == "KeyError: 'more'"
    assert reader.fault(b"abd") == "other data in silence"
    assert reader.fault(b"ab") is None
    assert reader.fault(b"ab", may_be_read=False) == "was read"
    assert "took" in strangers.frugal(lambda: len(bytes(2**22)))
