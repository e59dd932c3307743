"""YAML and the Dockerfile pass their linters, and what is broken does not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.shell import ROOT, Done, run

DOCKERFILE: Final = ROOT / "deploy/Dockerfile"


def yamllint(*files: Path) -> Done:
    config = ("--config-file", ROOT / "deploy/yamllint.yml", "--strict")
    return run(sys.executable, "-m", "yamllint", *config, *files)


def hadolint(file: Path) -> Done:
    """It comes as a program beside Python."""
    return run(Path(sys.executable).with_name("hadolint"), file)


def test_yaml_is_tidy() -> None:
    files = [ROOT / "docker-compose.yml", ROOT / ".pre-commit-config.yaml"]
    files += [file for end in ("yml", "yaml") for file in (ROOT / "deploy").rglob(f"*.{end}")]
    assert len(files) > 15
    done = yamllint(*files)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "a: [1, 2\n", "a:   1\n"])
def test_yaml_that_is_not_tidy_is_noticed(text: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.yml"
    file.write_text(text, "utf-8")
    assert yamllint(file).returncode != 0


def test_the_dockerfile_is_sound() -> None:
    done = hadolint(DOCKERFILE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("WORKDIR /src", "WORKDIR src"), ("USER 10001:10001", "USER root")],
)
def test_a_dockerfile_that_is_not_is_noticed(was: str, becomes: str, tmp_path: Path) -> None:
    text = DOCKERFILE.read_text("utf-8")
    assert was in text
    file = tmp_path / "Dockerfile"
    file.write_text(text.replace(was, becomes, 1), "utf-8")
    assert hadolint(file).returncode != 0
