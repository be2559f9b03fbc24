"""Trials whose answers can be derived by hand."""

import os
from pathlib import Path

# Many small operations: one thread each is faster than two that wait for each other, here and in subprocesses.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from automarkerlabel.core.trial import Trial
from tests.fixtures.browser import chromium, page  # noqa: F401
from tests.fixtures.figure import figure_trial
from tests.fixtures.places import DATA


@pytest.fixture
def figure() -> Trial:
    return figure_trial()


@pytest.fixture
def shared_data() -> Path:
    """Real trials that live beside the checkout; tests that need them are skipped where they are missing."""
    folder = DATA
    if not folder.is_dir():
        pytest.skip("needs the real trials in ../shared/data")
    return folder
