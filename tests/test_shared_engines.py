"""Who comes first starts the engines, and they end with the last one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import shared_engines
from tests.shared_engines import SharedEngines, hold

HERE = SharedEngines("127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", {})


class FakeHolders:
    """Holders on threads, of engines that only count their starts and ends."""

    def __init__(self) -> None:
        self.started = 0
        self.ended = 0
        self._threads: list[threading.Thread] = []

    @contextmanager
    def engines(self, _folder: Path, _kind: str) -> Iterator[SharedEngines]:
        self.started += 1
        yield HERE
        self.ended += 1

    def start(self, folder: Path, kind: str) -> None:
        self._threads.append(threading.Thread(target=hold, args=(folder, kind)))
        self._threads[-1].start()
        while not (folder / "addresses.json").exists():
            assert self._threads[-1].is_alive()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def holders(monkeypatch: pytest.MonkeyPatch) -> FakeHolders:
    fake = FakeHolders()
    monkeypatch.setattr(shared_engines, "_engines", fake.engines)
    monkeypatch.setattr(shared_engines, "_start_holder", fake.start)
    return fake


def test_all_users_share_what_the_first_one_started(holders: FakeHolders, tmp_path: Path) -> None:
    with ExitStack() as first, ExitStack() as second:
        folder = tmp_path / "engines"
        assert first.enter_context(shared_engines.shared_engines(folder, "embedded")) == HERE
        assert second.enter_context(shared_engines.shared_engines(folder, "embedded")) == HERE
        first.close()
        assert (holders.started, holders.ended) == (1, 0)
        second.close()
        holders.join()
        assert (holders.started, holders.ended) == (1, 1)


def test_who_comes_after_the_last_one_starts_new_ones(holders: FakeHolders, tmp_path: Path) -> None:
    for number in (1, 2):
        with shared_engines.shared_engines(tmp_path / "engines", "embedded"):
            assert (holders.started, holders.ended) == (number, number - 1)
        holders.join()
    assert holders.ended == 2


def test_engines_that_do_not_start_are_told_with_their_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_engines, "_PROGRAM", "tests.no_such_program")
    with (
        pytest.raises(RuntimeError, match="No module named"),
        shared_engines.shared_engines(tmp_path / "engines", "embedded"),
    ):
        pytest.fail("started")
