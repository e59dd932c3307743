"""deploy/Dockerfile: everything that it copies is there and let through, and nothing is root's."""

from __future__ import annotations

import re
import tomllib

from tests.deploy.shell import ROOT

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def copied() -> set[str]:
    """What the first stage takes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
    return {source for line in lines for source in line.split()[:-1]}


def test_what_is_copied_exists_and_passes_the_ignore_file() -> None:
    passed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    assert copied() == passed
    assert all((ROOT / source).exists() for source in copied())


def test_every_package_is_in_the_image() -> None:
    packages = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {package.rstrip("*") for package in packages} <= copied()


def test_the_image_has_no_engines_and_no_development_tools() -> None:
    install = re.search(r"pip install.*?(?=\n\n)", DOCKERFILE, re.S)
    assert install is not None
    assert install[0].endswith(" '.[traces]'")


def test_it_does_not_run_as_root() -> None:
    last_stage = DOCKERFILE.split("FROM ")[-1]
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", last_stage, re.M)


def test_dependencies_are_held_to_known_versions() -> None:
    pinned = (ROOT / "deploy/constraints.txt").read_text("utf-8").lower().replace("_", "-")
    names = {re.match(r"[\w.-]+", entry)[0] for entry in PROJECT["project"]["dependencies"]}  # type: ignore[index]
    assert [name for name in names if f"\n{name.lower()}==" not in f"\n{pinned}"] == []
