"""The supervisor restarts what died, patiently."""

from __future__ import annotations

from datetime import UTC, datetime

from clickstream.local.processes.supervisor import Supervisor
from core.errors import EngineError
from tests.clock import ManualClock


class Mortal:
    """A process that dies when told, and counts how often it was started again."""

    def __init__(self, name: str = "worker-1") -> None:
        self.name = name
        self.status: int | None = None
        self.restarts = 0

    def exit_status(self) -> int | None:
        return self.status

    def spawn(self) -> None:
        self.restarts += 1
        self.status = None


class Stage:
    """One mortal process under supervision, with a clock moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.mortal = Mortal()
        self.said: list[str] = []
        self.supervisor = Supervisor([self.mortal], self.clock, self.said.append)

    def die(self, status: int = 1) -> None:
        self.mortal.status = status
        self.supervisor.tick()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.supervisor.tick()


def test_living_process_is_left_alone() -> None:
    stage = Stage()
    stage.pass_time(3600)
    assert stage.mortal.restarts == 0
    assert stage.said == []


def test_dead_process_comes_back_soon() -> None:
    stage = Stage()
    stage.die()
    stage.pass_time(0.5)
    assert stage.mortal.restarts == 1


def test_each_death_is_said_once() -> None:
    stage = Stage()
    stage.pass_time(7)
    stage.die(status=-9)
    stage.pass_time(0.1)
    (line,) = stage.said
    at, _, what = line.partition(": ")
    assert what == "worker-1 was killed by signal 9 after 7 s; restarting it in 0.5 s"
    told = datetime.strptime(at, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert int(told.timestamp()) == stage.clock.now_ms() // 1000


def test_repeated_deaths_wait_longer_each_time_up_to_a_limit() -> None:
    stage = Stage()
    for _ in range(10):
        stage.die()
        stage.pass_time(30)
    delays = [float(line.rpartition(" in ")[2].removesuffix(" s")) for line in stage.said]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_process_is_not_restarted_before_its_time() -> None:
    stage = Stage()
    stage.die()
    stage.pass_time(0.5)
    stage.die()
    stage.pass_time(0.9)
    assert stage.mortal.restarts == 1
    stage.pass_time(0.1)
    assert stage.mortal.restarts == 2


def test_long_life_is_rewarded_with_a_quick_restart() -> None:
    stage = Stage()
    for _ in range(5):
        stage.die()
        stage.pass_time(30)
    stage.pass_time(60)
    stage.die()
    assert stage.said[-1].endswith("restarting it in 0.5 s")


def test_one_death_does_not_hold_up_another() -> None:
    clock = ManualClock()
    first, second = Mortal("first"), Mortal("second")
    supervisor = Supervisor([first, second], clock, lambda _: None)
    first.status = 1
    supervisor.tick()
    second.status = 1
    clock.advance(0.5)
    supervisor.tick()
    assert (first.restarts, second.restarts) == (1, 0)


def test_process_that_cannot_be_executed_is_tried_again() -> None:
    stage = Stage()

    def refuse() -> None:
        stage.mortal.restarts += 1
        raise EngineError("worker-1 cannot be executed: out of memory")

    stage.mortal.spawn = refuse  # type: ignore[method-assign]
    stage.die()
    stage.pass_time(0.5)
    stage.pass_time(0.1)
    stage.pass_time(1)
    assert stage.mortal.restarts == 2
    assert "worker-1 cannot be executed: out of memory" in stage.said
