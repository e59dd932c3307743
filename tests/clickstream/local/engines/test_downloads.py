"""What is in place is taken as it is; a `clickhouse` binary only where a setting names it."""

from __future__ import annotations

import dataclasses
import io
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from rich.console import Console

from clickstream.local.engines import maven
from clickstream.local.engines.artifact_cache import Cache
from clickstream.local.engines.downloads import CancellableProgress, fetch
from clickstream.local.engines.lockfile import MavenFile, read_lock
from clickstream.progress import ConsoleProgress
from core.errors import EngineError


class FullCache(Cache):
    """Has whatever is asked for, and remembers what that was."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[str] = []

    def get(self, name: str, make: Callable[[Path], None]) -> Path:  # noqa: ARG002  (never made)
        self.asked.append(name)
        return self.folder / name


@pytest.fixture
def report() -> ConsoleProgress:
    return ConsoleProgress(Console(file=io.StringIO()))


def test_all_three_come_from_the_cache(tmp_path: Path, report: ConsoleProgress) -> None:
    cache = FullCache(tmp_path)
    installed = fetch(report, cache)
    assert sorted(name.split("-")[0] for name in cache.asked) == ["clickhouse", "kafka", "registry"]
    assert installed.clickhouse_library is not None
    assert installed.clickhouse_library.name == "libchdb.so"
    assert installed.clickhouse_binary is None


def test_a_binary_on_the_path_is_not_taken(
    tmp_path: Path, report: ConsoleProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clickhouse").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch(report, FullCache(tmp_path)).clickhouse_binary is None


def test_a_setting_that_names_no_program_is_refused(
    tmp_path: Path, report: ConsoleProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSTREAM_LOCAL__CLICKHOUSE_BINARY", str(tmp_path / "none"))
    with pytest.raises(EngineError, match="CLICKSTREAM_LOCAL__CLICKHOUSE_BINARY"):
        fetch(report, FullCache(tmp_path))


def test_a_library_that_nobody_pinned_is_downloaded_only_where_a_setting_allows_it(
    tmp_path: Path, report: ConsoleProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = read_lock()
    unpinned = {
        name: dataclasses.replace(package, integrity="")
        for name, package in lock.clickhouse.items()
    }
    lock = dataclasses.replace(lock, clickhouse=unpinned)
    with pytest.raises(EngineError, match="no pinned checksum"):
        fetch(report, FullCache(tmp_path), lock)
    monkeypatch.setenv("CLICKSTREAM_LOCAL__ALLOW_UNPINNED", "true")
    assert fetch(report, FullCache(tmp_path), lock).clickhouse_library is not None


def test_a_binary_that_a_setting_names_is_taken(
    tmp_path: Path, report: ConsoleProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "clickhouse"
    binary.touch(mode=0o755)
    monkeypatch.setenv("CLICKSTREAM_LOCAL__CLICKHOUSE_BINARY", str(binary))
    cache = FullCache(tmp_path)
    installed = fetch(report, cache)
    assert installed.clickhouse_binary == binary
    assert installed.clickhouse_library is None
    assert sorted(name.split("-")[0] for name in cache.asked) == ["kafka", "registry"]


def test_changed_lock_leads_to_another_place(tmp_path: Path, report: ConsoleProgress) -> None:
    cache = FullCache(tmp_path)
    lock = read_lock()
    changed = dataclasses.replace(lock, kafka=(MavenFile("g:a:1", "0" * 64, 1), *lock.kafka))
    assert fetch(report, cache, lock).kafka_jars != fetch(report, cache, changed).kafka_jars


def test_a_cancelled_download_breaks_off_at_its_next_progress(report: ConsoleProgress) -> None:
    cancellable = CancellableProgress(report)
    advanced: list[int] = []

    def download() -> None:
        with cancellable.over("Kafka", 10) as advance:
            for count in (5, 5):
                advance(count)
                advanced.append(count)
                cancellable.cancel()

    with pytest.raises(CancelledError):
        download()
    assert advanced == [5]


def test_without_the_extra_packages_the_error_says_what_to_install(
    tmp_path: Path, report: ConsoleProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(EngineError, match=r"pip install 'clickstream\[engines\]'"):
        maven.download("Kafka", [], tmp_path, report)
