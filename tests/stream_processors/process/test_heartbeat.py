"""A worker whose event loop hangs is ended; one that was only stopped for a while is not."""

from __future__ import annotations

import threading

from stream_processors.process.heartbeat import Heartbeat


def test_silence_beyond_the_patience_is_noticed() -> None:
    heartbeat = Heartbeat(3, on_silence=lambda: None)
    assert [heartbeat.tick() for _ in range(4)] == [False, False, False, True]


def test_a_beat_starts_the_count_again() -> None:
    heartbeat = Heartbeat(3, on_silence=lambda: None)
    for _ in range(10):
        assert not heartbeat.tick()
        assert not heartbeat.tick()
        heartbeat.beat()


def test_a_hang_is_told_once_on_another_thread() -> None:
    told = threading.Event()
    heartbeat = Heartbeat(1, told.set)
    heartbeat.start()
    assert told.wait(30)
