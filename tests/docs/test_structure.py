"""The counts of docs/structure.py, on small packages whose answers can be seen."""

import importlib.util

from tests.fixtures.places import TOP

spec = importlib.util.spec_from_file_location("structure", TOP / "docs" / "structure.py")
structure = importlib.util.module_from_spec(spec)
spec.loader.exec_module(structure)


def test_a_chain_of_three():
    files = {
        "errors.py": "",
        "core/trial.py": "from automarkerlabel.errors import Oops\n",
        "io/read.py": "def f():\n    from automarkerlabel.core import trial\n    from automarkerlabel import errors\n",
    }
    assert structure.arrows(files) == {"errors": set(), "core": {"errors"}, "io": {"core", "errors"}}
    found = structure.counts(files)
    assert (found["rooms"], found["loose modules"], found["floors of imports"]) == (2, 1, 3)
    assert (found["arrows between places"], found["pairs of places that import each other"]) == (3, 0)


def test_a_circle_is_one_floor():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}}
    assert structure.floors(graph) == 2


def test_a_long_function_is_named():
    text = "def short():\n" + "    x = 1\n" * 59 + "def long():\n" + "    x = 1\n" * 60
    assert structure.long_functions({"cli/a.py": text}) == [(61, "cli/a.py:long")]


def test_the_package_keeps_its_measure():
    """14 rooms, 4 loose modules, no circle, and no function that is too long to read at once."""
    found = structure.counts(dict(structure.files_here()))
    assert (found["rooms"], found["loose modules"]) == (14, 4)
    assert found["pairs of places that import each other"] == 0
    assert structure.long_functions(dict(structure.files_here())) == []
