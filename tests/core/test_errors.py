"""One tree holds every error, and its drawing is complete."""

from __future__ import annotations

import ast
from pathlib import Path

from core import errors

ROOT = Path(errors.__file__).parents[1]
PACKAGES = ("core", "schemas", "producers", "stream_processors", "api", "clickstream")
TREE = {
    name
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, errors.ClickstreamError)
}


def test_every_error_is_drawn() -> None:
    drawn = (errors.__doc__ or "").split()
    assert not TREE - set(drawn)


def test_no_error_of_the_tree_is_defined_elsewhere() -> None:
    elsewhere = [
        f"{file.relative_to(ROOT)}: {node.name}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if file != Path(errors.__file__)
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).split(".")[-1] in TREE for base in node.bases)
    ]
    assert not elsewhere


def test_every_refusal_has_a_meaning_over_http() -> None:
    concrete = {
        each
        for each in map(vars(errors).__getitem__, TREE)
        if issubclass(each, (errors.RequestRefused, errors.Unavailable))
        and not each.__subclasses__()
    }
    assert concrete <= errors.STATUS.keys()
