"""What is in the cache is whole and checked."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from clickstream.local.engines.artifact_cache import (
    Cache,
    cache_folder,
    verify_integrity,
    verify_sha256,
)
from core.errors import EngineError

CONTENT = b"a jar"


def test_artifact_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_bytes(CONTENT)

    cache = Cache(tmp_path / "cache")
    first, second = cache.get("thing", make), cache.get("thing", make)
    assert first == second
    assert (first / "file").read_bytes() == CONTENT
    assert len(made) == 1


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    together = Barrier(2)
    made: list[Path] = []

    def get() -> Path:
        together.wait(20)
        return Cache(tmp_path).get("thing", made.append)

    with ThreadPoolExecutor(2) as pool:
        paths = [future.result(20) for future in [pool.submit(get), pool.submit(get)]]
    assert paths[0] == paths[1]
    assert len(made) == 1


def test_interrupted_make_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        (folder / "half").write_bytes(CONTENT)
        raise KeyboardInterrupt

    cache = Cache(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        cache.get("thing", broken)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert cache.get("thing", lambda folder: (folder / "whole").touch()).joinpath("whole").exists()


def test_what_a_killed_process_left_is_removed_and_other_artifacts_are_let_alone(
    tmp_path: Path,
) -> None:
    abandoned, other = tmp_path / ".staging-thing-1-x7", tmp_path / ".staging-other-2-x7"
    for folder in (abandoned, other):
        (folder / "filled").mkdir(parents=True)
    Cache(tmp_path).get("thing-1", lambda _: None)
    assert not abandoned.exists()
    assert other.exists()


def test_right_checksums_pass(tmp_path: Path) -> None:
    file = tmp_path / "a.jar"
    file.write_bytes(CONTENT)
    verify_sha256(file, hashlib.sha256(CONTENT).hexdigest())
    verify_integrity(file, "sha512-" + base64.b64encode(hashlib.sha512(CONTENT).digest()).decode())
    assert file.exists()


def test_wrong_sha256_deletes_the_file_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "a.jar"
    file.write_bytes(CONTENT)
    with pytest.raises(EngineError, match=r"a\.jar is not the file that was pinned: its sha256"):
        verify_sha256(file, "0" * 64)
    assert not file.exists()


def test_wrong_integrity_deletes_the_file_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "a.tgz"
    file.write_bytes(CONTENT)
    with pytest.raises(EngineError, match=r"a\.tgz is not the file that was pinned: its sha512"):
        verify_integrity(file, "sha512-AAAA")
    assert not file.exists()


def test_cache_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLICKSTREAM_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CLICKSTREAM_CACHE_DIR")
    assert cache_folder().name == "clickstream"
