"""ClickHouse on loopback: a `clickhouse` binary, or the same code as a library in a child."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from clickstream.local.engines.downloads import Installed
from clickstream.local.processes.environment import AWS
from clickstream.local.processes.ports import LOOPBACK
from clickstream.local.processes.process_manager import Command
from clickstream.local.processes.service import ServiceSpec
from core.clickhouse.layout import Layout
from core.health_probe import http_get
from core.settings import Settings
from schemas.grants import ANALYST_SETTINGS, Role, grants

_PROBE_SECONDS = 1.0
_STOP_SECONDS = 20.0  # it ends running queries first; what it acknowledged is on disk anyway

# All processes together stay below 2.5 GB: a query that wants more than this is refused.
_MEMORY_BYTES = 1_000_000_000
_CACHE_BYTES = 64 * 1024 * 1024

_SERVER = {
    "max_server_memory_usage": _MEMORY_BYTES,
    "mark_cache_size": _CACHE_BYTES,
    "index_mark_cache_size": _CACHE_BYTES // 4,
    "uncompressed_cache_size": 0,
    "background_pool_size": 2,
    "background_schedule_pool_size": 8,
    "background_fetches_pool_size": 1,
    "background_common_pool_size": 2,
    # Seconds between two background tasks of a table. A deletion is a task for each of its parts,
    # and by default a tenth of a second passes between them: five for a month of days.
    "background_processing_pool_thread_sleep_seconds_if_nothing_to_do": 0.01,
    "background_processing_pool_task_sleep_seconds_when_no_work_random_part": 0.01,
}

# Whoever reads sees each row once, without knowing of FINAL: redelivered rows are merged at read
# time. One session lives in one partition, so partitions need not be compared.
_FINAL_READS = {"final": 1, "do_not_merge_across_partitions_select_final": 1}

_PROFILES = {"default": _FINAL_READS, "readonly": ANALYST_SETTINGS}

# A query gets no second thread where less than 1 GiB is free for each: never, on a server that has
# less than that in all. Not for any binary or image: older ones refuse to start with a setting that
# they do not know.
_CHDB_SETTINGS = {"max_threads_min_free_memory_per_thread": 0}

# The database that the users below may use; the first of them owns the server.
DATABASE = "clickstream"


@dataclass(frozen=True, slots=True)
class _User:
    """Someone who may connect. Without roles he may do everything."""

    name: str
    profile: str = "default"
    roles: tuple[Role, ...] = ()


# Loopback keeps neither other accounts of the machine away nor pages in its browser, so each has a
# password. The processes have users of their own so that what they are granted is seen to suffice.
OWNER, HTTP_USER, WORKER_USER, ANALYST = "owner", "http", "worker", "analyst"
_USERS = (
    _User(OWNER),
    _User(HTTP_USER, roles=(Role.EDGE, Role.API)),
    _User(WORKER_USER, roles=(Role.WORKER,)),
    _User(ANALYST, "readonly", (Role.ANALYST,)),
)


# The library runs its first statements as this user, who can have no password. His rights are
# for these alone, and the last of them uses up his quota.
_LIBRARY_USER = "default"
_LIBRARY_GRANTS = (
    "GRANT SYSTEM LISTEN ON *.*",
    "GRANT CREATE TEMPORARY TABLE ON *.*",
    "GRANT FILE ON *.*",
)
_LIBRARY_QUERIES = 3  # to open one server or both, and to keep running; `is_closed` uses the rest
_QUOTA_SECONDS = 2**31 - 1  # the largest that is taken

USERS = tuple(user.name for user in _USERS)


def prepare(
    folder: Path,
    log: Path,
    installed: Installed,
    port: int,
    tcp_port: int | None,
    passwords: Mapping[str, str],
) -> ServiceSpec:
    """Write the configuration; the launch of a server that keeps its data in `folder`.

    `passwords` has one for each of `USERS`. `tcp_port` is that of the native protocol, if it is to
    be served: the library's server ends when one of its clients resets a connection.
    """
    data, config, users = folder / "data", folder / "config.xml", folder / "users.xml"
    temporary = folder / "tmp"
    for needed in (data, temporary):
        needed.mkdir(parents=True, exist_ok=True)
    own_binary = installed.clickhouse_binary is not None
    more = {} if own_binary else _CHDB_SETTINGS
    write_users(users, LOOPBACK, more, passwords, has_library_user=not own_binary)
    _write(config, _config(data, users, port, tcp_port, _backup_folders(folder)))
    if installed.clickhouse_binary is not None:
        argv = [str(installed.clickhouse_binary), "server", f"--config-file={config}"]
    else:
        library = str(installed.clickhouse_library)
        module = "clickstream.local.engines.chdb_server"
        argv = [
            sys.executable,
            "-m",
            module,
            library,
            str(config),
            str(data),
            str(port),
            *([] if tcp_port is None else [str(tcp_port)]),
        ]
    environment = {"TMPDIR": str(temporary)}
    command = Command("clickhouse", argv, log, env=environment, cwd=folder, inherits=(AWS,))
    url = f"http://{OWNER}:{passwords[OWNER]}@{LOOPBACK}:{port}"
    return ServiceSpec(command, url, lambda: is_healthy(url) and is_closed(url), _STOP_SECONDS)


def _backup_folders(folder: Path) -> list[Path]:
    """Where it may write backups: `backups` in the data directory, and what the operator names."""
    named = Settings().backup.folder
    return [folder.parent / "backups", *([named.expanduser().absolute()] if named else [])]


def _config(
    data: Path, users: Path, port: int, tcp_port: int | None, backup_folders: list[Path]
) -> Element:
    root = Element("clickhouse")
    allowed = SubElement(root, "backups")
    for path in backup_folders:
        SubElement(allowed, "allowed_path").text = f"{path}/"
    settings: dict[str, object] = {
        "path": f"{data}/",
        "tmp_path": f"{data / 'tmp'}/",
        "listen_host": LOOPBACK,
        "http_port": port,
        **({} if tcp_port is None else {"tcp_port": tcp_port}),
        "users_config": users,
        "log-level": "warning",  # where clickhouse-local looks for it
        "mlock_executable": "false",
        **_SERVER,
    }
    for name, value in settings.items():
        SubElement(root, name).text = str(value)
    logger = SubElement(root, "logger")
    SubElement(logger, "level").text = "warning"
    SubElement(logger, "console").text = "true"
    return root


def write_users(
    path: Path,
    network: str,
    more: Mapping[str, int] | None = None,
    passwords: Mapping[str, str] | None = None,
    *,
    has_library_user: bool = True,
) -> None:
    """The users and their profiles; each may connect from `network` only.

    `more` are settings for everybody. Without `passwords` nobody has one, and
    `default` may do everything; with them he is there for the library alone.
    """
    root = Element("clickhouse")
    profiles, users = SubElement(root, "profiles"), SubElement(root, "users")
    quotas = SubElement(root, "quotas")
    SubElement(quotas, "default")
    for name, settings in _PROFILES.items():
        profile = SubElement(profiles, name)
        for setting, value in {**settings, **(more or {})}.items():
            SubElement(profile, setting).text = str(value)
    for each in _USERS:
        password = None if passwords is None else passwords[each.name]
        user = _add_user(users, each.name, each.profile, network, password)
        _grant(user, [line for role in each.roles for line in grants(role, Layout(DATABASE))])
    if has_library_user:
        library = _add_user(users, _LIBRARY_USER, "default", network, None)
        if passwords is not None:
            _grant(library, _LIBRARY_GRANTS)
            _limit(library, quotas, _LIBRARY_QUERIES)
    _write(path, root)


def _add_user(
    users: Element, name: str, profile: str, network: str, password: str | None
) -> Element:
    user = SubElement(users, name)
    if password is None:
        SubElement(user, "password")
    else:
        digest = hashlib.sha256(password.encode()).hexdigest()
        SubElement(user, "password_sha256_hex").text = digest
    SubElement(SubElement(user, "networks"), "ip").text = network
    SubElement(user, "profile").text = profile
    SubElement(user, "quota").text = "default"
    return user


def _grant(user: Element, statements: Iterable[str]) -> None:
    """Without any he may do everything."""
    if lines := dict.fromkeys(statements):
        granted = SubElement(user, "grants")
        for line in lines:
            SubElement(granted, "query").text = line


def _limit(user: Element, quotas: Element, queries: int) -> None:
    """Let him run so many queries until the server starts again."""
    interval = SubElement(SubElement(quotas, "once"), "interval")
    SubElement(interval, "duration").text = str(_QUOTA_SECONDS)
    SubElement(interval, "queries").text = str(queries)
    quota = user.find("quota")
    if quota is not None:
        quota.text = "once"


def _write(path: Path, root: Element) -> None:
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def is_healthy(url: str) -> bool:
    """Does it compute `SELECT 1`?"""
    answer = http_get(f"{url}/?query=SELECT%201", _PROBE_SECONDS)
    return answer is not None and answer.body == b"1\n"


def is_closed(url: str) -> bool:
    """Is a query without name and password refused? Asking uses up what is left of the library's
    quota. (A SELECT of constants does not count, and is answered.)"""
    answer = http_get(f"http://{url.rpartition('@')[2]}/?query=SHOW%20DATABASES", _PROBE_SECONDS)
    return answer is not None and answer.status != HTTPStatus.OK
