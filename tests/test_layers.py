"""Imports go one way, from room to room, and third-party packages stay where they belong."""

import ast
from pathlib import Path

import pytest

from tests.fixtures.places import PACKAGE

# The rooms of the package in order: a room imports only itself and those before it.
ROOMS = (
    "core", "io", "assignment", "audit", "models", "marker_sets", "simulate", "labellers", "filling", "evaluation",
    "training", "review", "workflows", "cli",
)  # fmt: skip
LOOSE = {"__init__", "__main__", "errors", "version"}  # the only modules outside a room
BELOW_ALL = {"errors", "version"}  # what every room may import
ALLOWED = {
    "typer": {"cli"},
    "rich": {"cli"},
    "ezc3d": {"io"},
    "h5py": {"io"},
    "pyarrow": {"io"},
    "safetensors": {"io"},
    "onnx": {"models"},
    "onnxruntime": {"models"},
    "torch": {"io", "models", "marker_sets", "simulate", "labellers", "filling", "evaluation", "training", "workflows"},
    "distributed": {"workflows"},
    "optuna": {"training"},
    "starlette": {"review"},
    "uvicorn": {"review"},
    "matplotlib": {"training", "review"},
    "scipy": {"assignment", "audit", "labellers", "simulate", "training", "evaluation"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    """The room of a module, or its name where it is loose."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Dotted names that a module imports, anywhere in it, and also for type checking alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{a.name}" for a in node.names}
    return names


def own_imports(path: Path) -> set[str]:
    """Which rooms and loose modules of the package a module imports."""
    names = [name.split(".") for name in imported(path)]
    return {parts[1] for parts in names if parts[0] == "automarkerlabel" and len(parts) > 1}


@pytest.mark.parametrize("path", [p for p in MODULES if place(p) in ROOMS], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_those_before_it(path):
    above = set(ROOMS[ROOMS.index(place(path)) + 1 :])
    assert own_imports(path) <= {*ROOMS, *BELOW_ALL}
    assert not own_imports(path) & above


def test_what_lies_below_all_imports_nothing():
    for name in BELOW_ALL:
        assert own_imports(PACKAGE / f"{name}.py") == set()


def test_every_module_is_in_a_room():
    assert {place(p) for p in MODULES} == {*ROOMS, *LOOSE}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_party_packages_stay_in_their_place(path):
    for name in imported(path):
        allowed = ALLOWED.get(name.split(".")[0])
        assert allowed is None or place(path) in allowed, f"{place(path)} imports {name}"


def test_a_test_stands_in_the_room_that_it_tests():
    rooms = {p.parent.name for p in (PACKAGE.parent / "tests").glob("*/test_*.py")}
    assert rooms - {"docs"} <= set(ROOMS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from automarkerlabel.core.trial import Trial", {"core"}),
        ("from automarkerlabel import io, errors", {"io", "errors"}),
        ("import automarkerlabel.cli", {"cli"}),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from automarkerlabel.review import page",
            {"review"},
        ),
        ("def f():\n    from automarkerlabel.training import settings", {"training"}),
    ],
)
def test_imports_are_found_wherever_they_stand(tmp_path, text, found):
    path = tmp_path / "module.py"
    path.write_text(text)
    assert own_imports(path) == found
