"""One process at a time holds a data directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream.local.data_directory import DataDirectory
from core.errors import EngineError

HOLDER = """
import signal, sys
from pathlib import Path
from clickstream.local.data_directory import DataDirectory
DataDirectory(Path(sys.argv[1])).lock()
print("held", flush=True)
signal.pause()
"""


def test_it_is_for_this_account_alone(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "new")
    directory.lock()
    directory.passwords(["default"])
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "passwords.json").stat().st_mode & 0o777 == 0o600


def test_a_directory_of_others_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    tmp_path.chmod(0o755)
    DataDirectory(tmp_path).lock()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_passwords_are_random_and_stay(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = DataDirectory(tmp_path).passwords(["a", "b"])
    assert DataDirectory(tmp_path).passwords(["a", "b"]) == first
    other = DataDirectory(tmp_path / "other").passwords(["a", "b"])
    assert len({*first.values(), *other.values()}) == 4


@pytest.mark.parametrize("content", ["", "{", "[1]", "\0"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "passwords.json").write_text(content)
    with pytest.raises(EngineError, match=r"passwords\.json is damaged"):
        DataDirectory(tmp_path).passwords(["a"])


def test_a_path_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be a data directory"):
        DataDirectory(tmp_path / "file" / "below").lock()


def test_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    DataDirectory(tmp_path).lock()
    with pytest.raises(EngineError, match=rf"in use by process {os.getpid()}; stop that one"):
        DataDirectory(tmp_path).lock()


def test_released_folder_can_be_held_again(tmp_path: Path) -> None:
    folder = DataDirectory(tmp_path)
    folder.lock()
    folder.release()
    DataDirectory(tmp_path).lock()


def test_hold_ends_with_a_holder_that_was_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder, holder.stdout as output:
        assert output.readline() == "held\n"
        with pytest.raises(EngineError, match=f"in use by process {holder.pid}"):
            DataDirectory(tmp_path).lock()
        holder.kill()
    DataDirectory(tmp_path).lock()


def test_ports_are_the_same_at_the_next_start(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path).ports(["kafka", "registry"])
    assert DataDirectory(tmp_path).ports(["kafka", "registry"]) == first


def test_ports_of_other_names_are_not_forgotten(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path).ports(["kafka"])
    DataDirectory(tmp_path).ports(["worker-1"])
    assert DataDirectory(tmp_path).ports(["kafka"]) == first
