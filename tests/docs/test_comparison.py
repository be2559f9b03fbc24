"""The plan by which the README's figures are made anew, and the script that follows it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.fixtures.places import TOP

BENCHMARKS = TOP / "docs" / "benchmarks"
STEPS = tomllib.loads((BENCHMARKS / "comparison.toml").read_text(encoding="utf-8"))["step"]
CLAIMS = [step["claim"] for step in STEPS if "claim" in step]

PLAN = """
[[step]]
name = "sum"
claim = "1 + 1 = 2"
shows = "= 2"
run = ["-c", "print('noise'); print('{data} 1 + 1 =', 1 + 1)"]
[[step]]
name = "never"
shows = ""
run = ["-c", "import sys; sys.exit('no such data')"]
"""


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_readme_says_what_the_plan_measures(claim: str) -> None:
    assert claim in (TOP / "README.md").read_text(encoding="utf-8")


def test_each_row_of_the_readme_is_measured() -> None:
    table = (TOP / "README.md").read_text(encoding="utf-8").split("## Measured")[1].split("\n\n")[1]
    rows = table.splitlines()[2:]
    unmeasured = [row for row in rows if not any(claim in row for claim in CLAIMS)]
    assert [row.split("|")[1].strip()[:30] for row in unmeasured] == [
        "the same for six trials of fou"
    ]  # with the first


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["name"])
def test_each_step_is_a_script_or_the_program(step: dict) -> None:
    first = step["run"][0]
    assert (BENCHMARKS / first).is_file() or step["run"][:2] == ["-m", "automarkerlabel"]


def test_a_step_is_done_once_and_shown_beside_its_claim(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    command = [
        sys.executable, BENCHMARKS / "comparison.py", "DATA", "tool.py", tmp_path / "work", "--plan",
        tmp_path / "plan.toml", "--only",
    ]  # fmt: skip
    done = subprocess.run([*command, "sum"], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["", "sum", "  README: 1 + 1 = 2", "  DATA 1 + 1 = 2", ""]
    kept = tmp_path / "work" / "sum.txt"
    kept.write_text("1 + 1 = 2, as kept")
    assert "as kept" in subprocess.run([*command, "sum"], capture_output=True, text=True, check=True).stdout
    failed = subprocess.run([*command, "never"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1 and failed.stderr.strip().endswith("found exit code 1: no such data")
    assert not (tmp_path / "work" / "never.txt").exists()
