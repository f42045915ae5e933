"""Files are there completely or not at all."""

import pytest

from gog_pose.system.files import replaced


@pytest.mark.parametrize("before", [None, "old"])
def test_a_file_appears_when_it_is_complete(tmp_path, before):
    path = tmp_path / "file.txt"
    if before is not None:
        path.write_text(before)
    with replaced(path) as part:
        part.write_text("new")
        assert path.exists() == (before is not None)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_stays_as_it_was_where_writing_fails(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail():
        with replaced(path) as part:
            part.write_text("half of the n")
            raise OSError("disk is full")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert path.read_text() == "old"
    with replaced(path) as part:  # what the failure has left is no obstacle
        part.write_text("new")
    assert path.read_text() == "new"
