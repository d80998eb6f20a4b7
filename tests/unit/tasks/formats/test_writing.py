"""Files and folders are written whole or not at all."""

import errno

import pytest

from tasks.formats.writing import check_file, write_file
from tasks.networks.sparse_transformer import NetworkError


def test_a_file_is_its_parts_one_after_the_other(tmp_path):
    assert write_file(tmp_path / "f", [b"one", b"two"]) == 2
    assert (tmp_path / "f").read_bytes() == b"onetwo"


def test_of_a_file_that_cannot_be_finished_nothing_is_left_and_the_earlier_one_stays(tmp_path):
    target = tmp_path / "f"
    target.write_bytes(b"before")

    def parts():
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NetworkError, match=r"cannot write .*/f: No space left on device"):
        write_file(target, parts())
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_no_folder_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="expected a folder in which files may be written"):
        check_file(tmp_path / "no" / "f")
