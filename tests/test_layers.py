"""Imports go downwards only, and third-party packages stay where they belong."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "automarkerlabel"

# The layer of each module; a folder stands for all in it. A module may import its own layer and those below.
LAYERS = {
    "errors": 0,
    "trial": 1, "markerset": 1, "tracklets": 1, "scores": 1, "settings": 1,
    "io": 2, "models": 2, "features": 2, "decide": 2, "metrics": 2, "simulate": 2,
    "marker_sets": 3, "matching": 3, "simulation": 3,
    "labeller": 3, "training": 3, "training_task": 3, "checkpoint": 3, "legacy": 3,
    "dataset": 3, "keepsakes": 3, "adapt": 3, "forecast": 3, "memory": 3, "parallel": 3, "threads": 3, "collect": 3,
    "tensor_files": 3, "forecaster": 3, "evaluate": 3, "teach": 3, "workflow": 3, "selfcheck": 3, "info": 3, "facts": 3,
    "tuning": 3, "bench": 3, "export": 3, "explain": 3, "report": 3,
    "loading": 3, "methods": 3, "doubts": 3, "audit": 3, "audit_files": 3, "calibration": 3, "review_list": 3,
    "review": 3, "corrections": 3, "filling": 3, "outputs": 3, "subjects": 3, "archive": 3,
    "cli": 4, "console": 4, "commands": 4, "__main__": 4,
}  # fmt: skip
ALLOWED = {
    "typer": {"cli", "commands", "console"},
    "rich": {"cli", "commands", "console"},
    "ezc3d": {"io"},
    "h5py": {"io"},
    "pyarrow": {"io"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
    "torch": {
        "simulate",
        "models",
        "forecast",
        "forecaster",
        "labeller",
        "matching",
        "training",
        "checkpoint",
        "legacy",
        "keepsakes",
        "memory",
        "parallel",
        "selfcheck",
        "tensor_files",
        "threads",
        "tuning",
        "bench",
        "export",
    },
    "distributed": {"archive"},
    "optuna": {"tuning"},
    "starlette": {"review"},
    "uvicorn": {"review"},
    "matplotlib": {"tuning", "explain"},
    "safetensors": {"tensor_files"},
    "scipy": {"decide", "simulate", "legacy", "metrics"},
}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Dotted names that a module imports, anywhere in it; those for type checking alone are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{a.name}" for a in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    own = LAYERS[place(path)]
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "automarkerlabel" and len(parts) > 1 and parts[1] != "__version__":
            assert LAYERS[parts[1]] <= own, f"{place(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_party_packages_stay_in_their_place(path):
    for name in imported(path):
        allowed = ALLOWED.get(name.split(".")[0])
        assert allowed is None or place(path) in allowed, f"{place(path)} imports {name}"


def test_every_module_has_a_layer():
    assert {place(p) for p in MODULES} <= set(LAYERS)
