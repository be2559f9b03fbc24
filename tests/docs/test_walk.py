"""docs/walk.py on a package of three modules whose way can be seen."""

import importlib.util
import subprocess
import sys

from tests.fixtures.places import TOP

SCRIPT = TOP / "docs" / "walk.py"
spec = importlib.util.spec_from_file_location("walk", SCRIPT)
walk = importlib.util.module_from_spec(spec)
spec.loader.exec_module(walk)


def test_a_return_is_a_stay_in_a_place_that_was_left():
    modules = ["cli/__init__.py", "io/a.py", "io/b.py", "core/trial.py", "io/c.py", "loose.py"]
    assert [room for room, _ in walk.stays(modules)] == ["cli", "io", "core", "io", "loose"]
    assert walk.returns(modules) == 1


def test_modules_come_in_the_order_of_their_first_call(tmp_path):
    package = tmp_path / "automarkerlabel"
    for folder in (package, package / "cli", package / "core", package / "io"):
        folder.mkdir()
    (package / "__init__.py").write_text("")
    (package / "core" / "__init__.py").write_text("def at_import():\n    pass\n\nat_import()\n\ndef f():\n    pass\n")
    (package / "io" / "__init__.py").write_text("from automarkerlabel import core\n\ndef g():\n    core.f()\n")
    (package / "cli" / "__init__.py").write_text(
        "def run(arguments):\n    from automarkerlabel import io\n    io.g()\n    io.g()\n    return len(arguments)\n"
    )
    done = subprocess.run(
        [sys.executable, SCRIPT, "--package", tmp_path, "one", "two"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "cli: __init__.py", "io: __init__.py", "core: __init__.py", "3 modules in 3 places, 3 stays, 0 returns",
    ]  # fmt: skip
