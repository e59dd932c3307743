"""One long-lived process of the system: how it is launched, whether it answers, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clickstream.local.processes.child_process import Child
from clickstream.local.processes.process_manager import Command, ProcessManager
from core.errors import EngineError

# A cold JVM on a busy two-core machine takes 10 s. Longer than this is a fault, not slowness.
_START_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """All that is needed to run one process.

    `url` is where clients find it. `is_healthy` asks it one real question of its own protocol; it
    returns False instead of raising, and takes about a second at most. `stop_seconds` is how long
    it may take to end on request before it is killed.
    """

    command: Command
    url: str
    is_healthy: Callable[[], bool]
    stop_seconds: float


class Service:
    """A process that can be started, stopped and started again at the same address."""

    def __init__(self, spec: ServiceSpec, manager: ProcessManager) -> None:
        self._spec = spec
        self._manager = manager
        self._child: Child | None = None

    @property
    def name(self) -> str:
        return self._spec.command.name

    @property
    def url(self) -> str:
        return self._spec.url

    @property
    def pid(self) -> int | None:
        """None while it is stopped."""
        return self._child.pid if self._child else None

    def exit_status(self) -> int | None:
        """None while it runs, and while it is stopped on purpose."""
        return self._child.exit_status() if self._child else None

    def spawn(self) -> None:
        """Start the process and return at once. Nothing happens when it runs already."""
        if self._child is not None:
            if self._child.exit_status() is None:
                return
            self._child.kill()  # what it left behind
        try:
            self._child = self._manager.spawn(self._spec.command)
        except OSError as error:
            raise EngineError(f"{self.name} cannot be executed: {error}") from error

    def wait(self) -> None:
        """Return once it answers; EngineError with the end of its log when it does not."""
        if self._child is None:
            raise EngineError(f"{self.name} has not been started")
        self._child.wait_until_ready(self._spec.is_healthy, _START_SECONDS)

    def start(self) -> None:
        """`spawn`, then `wait`."""
        self.spawn()
        self.wait()

    def terminate(self) -> None:
        """First half of `stop`, so that several services can end at the same time."""
        if self._child is not None:
            self._child.terminate()

    def stop(self) -> None:
        """End it gracefully, by force after its deadline. Nothing happens when it is stopped."""
        child, self._child = self._child, None
        if child is not None:
            child.stop(self._spec.stop_seconds)

    def kill(self) -> None:
        """End it as a crash would, with SIGKILL."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()


def stop_all(services: Sequence[Service]) -> None:
    """End them at the same time: takes as long as the slowest, not as all together."""
    for service in services:
        service.terminate()
    for service in services:
        service.stop()
