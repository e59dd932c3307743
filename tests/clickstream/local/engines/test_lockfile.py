"""The lock names everything, pinned."""

from __future__ import annotations

import re

import pytest

from clickstream.local.engines.lockfile import (
    MavenFile,
    clickhouse_package,
    platform_name,
    read_lock,
)
from core.errors import EngineError


def test_every_maven_file_has_an_exact_version_and_a_sha256() -> None:
    lock = read_lock()
    for file in (*lock.kafka, lock.registry):
        assert re.fullmatch(r"[\w.-]+:[\w.-]+:\d[\w.-]*(:[\w.]+:\w+)?", file.coordinate)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size > 0


def test_kafkas_own_jars_are_all_of_one_version() -> None:
    lock = read_lock()
    own = [jar for jar in lock.kafka if jar.coordinate.startswith("org.apache.kafka:")]
    assert len(own) > 10
    assert {jar.coordinate.split(":")[2] for jar in own} == {lock.kafka_version}


def test_no_jar_is_there_in_two_versions() -> None:
    names = [jar.coordinate.rsplit(":", 1)[0] for jar in read_lock().kafka]
    assert len(names) == len(set(names))


def test_clickhouse_for_linux_on_x86_is_pinned_by_checksum() -> None:
    assert clickhouse_package(read_lock(), "linux-x86_64").integrity.startswith("sha512-")


@pytest.mark.parametrize(
    ("system", "machine", "package"),
    [
        ("linux", "x86_64", "@chdb/lib-linux-x64-gnu"),
        ("linux", "aarch64", "@chdb/lib-linux-arm64-gnu"),
        ("darwin", "arm64", "@chdb/lib-darwin-arm64"),
        ("darwin", "x86_64", "@chdb/lib-darwin-x64"),
        ("linux", "AMD64", "@chdb/lib-linux-x64-gnu"),
    ],
)
def test_each_platform_has_its_own_library(system: str, machine: str, package: str) -> None:
    assert clickhouse_package(read_lock(), platform_name(system, machine)).name == package


def test_other_platform_is_told_what_to_do() -> None:
    with pytest.raises(EngineError, match=r"sunos-sparc.*name a `clickhouse` binary"):
        clickhouse_package(read_lock(), platform_name("sunos", "sparc"))


def test_file_names_follow_the_repository_layout() -> None:
    assert MavenFile("g:name:1.2", "", 0).file_name == "name-1.2.jar"
    assert MavenFile("g:name:1.2:tar.gz:all", "", 0).file_name == "name-1.2-all.tar.gz"
