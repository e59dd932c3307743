"""What is erased or marked goes out of releases, whatever is under way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from api.releases.manifest import Order, Reason
from api.releases.service import ReleaseService, State
from api.releases.supersede import hashes_of
from api.releases.verify import verify
from clickstream.commands import release
from clickstream.operations.erasure.erase import ErasureResult, erase
from core.clickhouse.client import connect
from core.clock import SystemClock
from core.errors import FileSuperseded, Unavailable
from schemas.erasures import session_hash
from tests.api.releases.world import IN_RELEASE, make
from tests.api.stored import Mark, World, store
from tests.local_client import LocalClient

pytestmark = pytest.mark.engines

LAST = IN_RELEASE[-1]
"""The last session is in the last of three files."""


def erase_user_of_last(service: ReleaseService, seconds: float = 60) -> ErasureResult:
    return erase(
        service.settings,
        LAST.user_id or "",
        requested_by=None,
        clock=SystemClock(),
        seconds=seconds,
        log=lambda _: None,
    )


def files_with(service: ReleaseService, session_id: str) -> list[str]:
    """Whether or not anything says that they are files of a release."""
    wanted = np.uint64(int.from_bytes(session_hash(session_id)[:8], "little"))
    return [
        f"{name}/{file}"
        for name in service.storage.names()
        for file in service.storage.sizes(name)
        if file.startswith("sessions-") and wanted in hashes_of(service.storage, name, file)
    ]


def test_a_mark_takes_its_file_away_and_no_other(
    released: ReleaseService, api: LocalClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    order = Order(with_training=True, with_judgments=True, features=("rank", "meta.n"))
    assert make(released, "first", order).manifest.schemas["training"][-1]["name"] == "f_n"
    assert released.release("first").manifest.order == order
    # Neither a session that came after, nor a mark taken back.
    store(
        released.settings,
        World(marks=(Mark("s49", offset=2_000), Mark("s01", is_irrelevant=False, offset=2_001))),
    )
    assert all(released.file("first", f"sessions-0000{n}.parquet") for n in range(3))
    store(released.settings, World(marks=(Mark(LAST.session_id, offset=2_002),)))
    gone = api.get("/releases/first/files/sessions-00002.parquet")
    assert gone.status_code == 410
    assert gone.json()["type"] == "urn:clickstream:problem:release-file-superseded"
    assert "marked irrelevant" in gone.json()["detail"]
    assert files_with(released, LAST.session_id) == []
    assert api.get("/releases/first/files/sessions-00001.parquet").status_code == 200
    shown = api.get("/releases/first").json()
    assert shown["state"] == "partly_superseded"
    # What was made of its sessions went with it.
    gone_files = {file["name"] for file in shown["files"] if file["superseded"] is not None}
    assert gone_files == {
        "sessions-00002.parquet",
        "training-00002.parquet",
        "judgments.parquet",
        "propensities.parquet",
    }
    assert {file["superseded"]["reason"] for file in shown["files"] if file["superseded"]} == {
        "mark"
    }
    assert verify(released.storage, released.release("first")) == []
    # The commands tell it; who has fetched a part of a release must not take it for the whole.
    monkeypatch.setattr(release, "_service", lambda: released)
    monkeypatch.setattr(release, "closing", nullcontext)
    verified = CliRunner().invoke(release.app, ["verify", "first"])
    assert verified.exit_code == 0
    assert "sessions-00002.parquet: is deleted" in verified.output
    fetched = CliRunner().invoke(release.app, ["get", "first", "-o", str(tmp_path / "copy")])
    assert fetched.exit_code == 1
    assert "sessions-00002.parquet is superseded" in fetched.output


def test_an_erasure_ends_when_its_files_are_gone(released: ReleaseService) -> None:
    for name in ("first", "second", "third"):
        make(released, name)
    released.retire("third")
    assert files_with(released, LAST.session_id) == [
        "first/sessions-00002.parquet",
        "second/sessions-00002.parquet",
    ]
    assert erase_user_of_last(released).release_files == 2
    assert files_with(released, LAST.session_id) == []
    with pytest.raises(FileSuperseded, match="erased"):
        released.file("first", "sessions-00002.parquet")
    release = released.release("first")
    assert release.state is State.PARTLY_SUPERSEDED
    assert release.superseded["sessions-00002.parquet"].reason is Reason.ERASURE
    assert str(LAST.user_id) not in json.dumps(release.as_dict())
    assert LAST.session_id not in json.dumps(release.as_dict())
    assert erase_user_of_last(released).release_files == 0


def test_a_superseding_that_was_cut_short_is_completed(
    released: ReleaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(released, "first")
    store(released.settings, World(marks=(Mark(LAST.session_id, offset=2_000),)))

    def killed(path: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(released.storage, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            released.supersede_all()
    assert files_with(released, LAST.session_id)
    with pytest.raises(FileSuperseded):
        released.file("first", "sessions-00002.parquet")
    assert ReleaseService(released.settings, SystemClock(), "1").supersede_all() == 1
    assert files_with(released, LAST.session_id) == []


def test_an_erasure_beside_a_release_that_is_made_waits_for_it(
    released: ReleaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The making has read the session when the erasure begins, and is whole when it has ended."""
    has_read, go_on = threading.Event(), threading.Event()
    finish = type(released.storage).finish

    def finish_later(storage: Any, manifest: Any) -> None:
        has_read.set()
        assert go_on.wait(60)
        finish(storage, manifest)

    monkeypatch.setattr(type(released.storage), "finish", finish_later)
    making = threading.Thread(target=make, args=(released, "first"))
    making.start()
    try:
        assert has_read.wait(60)
        with pytest.raises(Unavailable):
            erase_user_of_last(released, seconds=4)
        with connect(released.settings) as client:
            left = client.query(
                "SELECT count() FROM sessions WHERE user_id = {u:String}",
                parameters={"u": LAST.user_id},
            ).result_rows
        assert left == [(0,)]
    finally:
        go_on.set()
        making.join(60)
    # The making has looked again when it was whole.
    assert files_with(released, LAST.session_id) == []
    assert erase_user_of_last(released).release_files == 0
    assert released.release("first").superseded.keys() == {"sessions-00002.parquet"}


KILLED = """
import sys, time
from api.releases import files
from core.clock import SystemClock
from core.settings import Settings
from api.releases.service import ReleaseService
from tests.api.releases.world import make
write = files.SessionFiles._finish_file
def finish_slowly(self):
    write(self)
    print("a file is written", flush=True)
    time.sleep(60)
files.SessionFiles._finish_file = finish_slowly
make(ReleaseService(Settings(), SystemClock(), "1"), "killed")
"""


def test_kill_9_leaves_no_release_and_an_erasure_deletes_what_it_left(
    released: ReleaseService,
) -> None:
    settings = released.settings
    environment = {
        **os.environ,
        "CLICKSTREAM_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
        "CLICKSTREAM_RELEASES__URI": settings.releases.uri,
        "CLICKSTREAM_RELEASES__SESSIONS_PER_FILE": "100",
    }
    program = [sys.executable, "-c", KILLED]
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "a file is written\n"
        os.kill(process.pid, signal.SIGKILL)
    assert files_with(released, LAST.session_id) == ["killed/sessions-00000.parquet"]
    assert released.names() == []
    erase_user_of_last(released)
    assert released.storage.names() == []
    assert Path(released.storage.shown).is_dir()
    make(released, "killed")
    assert [file.sessions for file in released.release("killed").manifest.files] == [20, 20, 2]
