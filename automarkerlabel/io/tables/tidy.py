"""Tidy tables of a trial: a row for each point that is seen, whatever markers a trial has; mm, z up.

    frame,time_s,subject,label,x_mm,y_mm,z_mm,residual_mm

The same columns for every trial, so that many of them make one data set. Written, not read.
"""

import csv
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel.core.trial import IntArray, Trial
from automarkerlabel.errors import InputError

COLUMNS = ("frame", "time_s", "subject", "label", "x_mm", "y_mm", "z_mm", "residual_mm")


def write_csv(path: Path, trial: Trial) -> None:
    """A tidy table as CSV, its numbers with 9 digits, which tell every float32 from its neighbours."""
    frame, column = np.nonzero(trial.visible)
    numbers = np.column_stack([trial.positions[frame, column], trial.residuals[frame, column]])
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for n, c, row in zip(frame.tolist(), column.tolist(), numbers.tolist(), strict=True):
            whose = (trial.subjects[c], trial.labels[c])
            table.writerow([trial.first_frame + n, n / trial.rate_hz, *whose, *(f"{x:.9g}" for x in row)])


def write(path: Path, trial: Trial) -> None:
    """A tidy table as Parquet, with the rate and the number of the first frame as metadata.

    Raises `InputError` if pyarrow is not installed.
    """
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    frame, column = np.nonzero(trial.visible)
    points = trial.positions[frame, column]  # (n_points, 3)
    columns = [
        arrow.array(trial.first_frame + frame),
        arrow.array(frame / trial.rate_hz),
        *(_words(arrow, words, column) for words in (trial.subjects, trial.labels)),
        *(arrow.array(points[:, axis]) for axis in range(3)),
        arrow.array(trial.residuals[frame, column]),
    ]
    facts = {"rate_hz": repr(float(trial.rate_hz)), "first_frame": str(trial.first_frame), "units": "mm", "up": "z"}
    table = arrow.table(dict(zip(COLUMNS, columns, strict=True))).replace_schema_metadata(facts)
    parquet.write_table(table, path)


def _words(arrow: Any, words: Sequence[str], column: IntArray) -> Any:
    """The word of each point's column, stored once."""
    distinct = list(dict.fromkeys(words))
    index = np.array([distinct.index(word) for word in words], np.int32)
    return arrow.DictionaryArray.from_arrays(arrow.array(index[column]), arrow.array(distinct, arrow.string()))


def _arrow(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            "Parquet: expected pyarrow, found none; install it: pip install 'automarkerlabel[parquet]'"
        ) from error
