"""The wheel holds every module and every data file that the command needs on a server."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.deploy.shell import ROOT, run

PACKAGES = ("api", "benchmarks", "clickstream", "core", "producers", "schemas", "stream_processors")

# Results and programs in other languages, which only a checkout measures and draws.
ONLY_IN_A_CHECKOUT = ("benchmarks/results/", "benchmarks/peers/go/")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of its files. Built from a copy: a `build/` of an earlier one would get into it."""
    source, into = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked(*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", into)
    done = run(sys.executable, "-m", "pip", "wheel", source, *options)
    assert done.returncode == 0, done.stderr
    (file,) = into.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def tracked(*paths: str) -> list[str]:
    """Files in git below these paths that exist: a rename under way is no lack of the wheel."""
    names = run("git", "ls-files", "--", *paths).stdout.splitlines()
    return [name for name in names if Path(ROOT / name).exists()]


def test_every_file_of_the_packages_is_in_the_wheel(wheel: set[str]) -> None:
    needed = {
        name
        for name in tracked(*PACKAGES)
        if not name.startswith(ONLY_IN_A_CHECKOUT) and PurePosixPath(name).suffix != ".md"
    }
    assert needed - wheel == set()


def test_nothing_else_is_in_the_wheel(wheel: set[str]) -> None:
    content = {name for name in wheel if ".dist-info/" not in name}
    assert content - set(tracked(*PACKAGES)) == set()
