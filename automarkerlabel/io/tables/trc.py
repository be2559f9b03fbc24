"""TRC files: text with a frame, a time and three coordinates a marker in each row, as OpenSim and others write it.

A header of five lines (file type, names of the values, values, labels, `X1 Y1 Z1 ...`), then one row a frame. A point
is hidden where its cells are blank, missing at the end of the row, no numbers (NaN), or all three exactly 0.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import BoolArray, FileAxes, Trial
from automarkerlabel.errors import FileFormatError, OutputError, TrialError
from automarkerlabel.io.axes import find_units, known_units
from automarkerlabel.io.computed_points import computed_columns
from automarkerlabel.io.labelled_copy import NO_FLAG, check_copy, sources
from automarkerlabel.io.names import full_names, output_names, split_prefix
from automarkerlabel.io.tables.points import clocks_again, stated_rate
from automarkerlabel.io.tables.text import printable
from automarkerlabel.io.tables.time_axis import spread, time_axis
from automarkerlabel.io.tables.trc_text import (
    Floats,
    TrcText,
    is_coordinate_line,
    numbers,
    open_text,
    stated_count,
    with_n_markers,
)

# A floor at 0: where the lowest and the highest points of a person above it are.
_LOWEST_MM, _HIGHEST_MM = (-100.0, 500.0), (300.0, 2600.0)


def read(path: Path, units: str | None = None, up: str | None = None) -> Trial:
    """The trial in a TRC file, in mm with z up; `units` and `up` overrule what the file says.

    A TRC names no upward axis. It is y, as in OpenSim, unless the first line ends in `up=...` as `write` leaves it, or
    the points clearly stand on a floor at 0 along z and not along y; `FileAxes.up_found` says which.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is damaged or is no TRC.
    """
    source = open_text(path)
    times, points = numbers(source)
    rate_notes = list[str]()
    rate_text = source.values.get("datarate", "").replace(",", ".")
    rate = stated_rate(path, "DataRate", rate_text, times[:, 1], rate_notes)
    rate_notes += clocks_again(points, times[:, 0], times[:, 1])
    axis = time_axis(path, times[:, 0], times[:, 1], rate, rate_notes)
    labels, notes = _columns(source, points, axis.n_frames)
    points = spread(points, axis)
    hidden = (points == 0).all(2)
    if hidden.any():
        notes.append(f"{int(hidden.sum())} points stand at exactly 0 0 0; taken as hidden")
        points[hidden] = np.nan
    axes = _axes(source, points, units, up, notes)
    notes += rate_notes
    prefixes, names = zip(*(split_prefix(x) for x in labels), strict=True) if labels else ((), ())
    return Trial(
        axes.to_mm_z_up(points), names, rate, first_frame=axis.first_frame, axes=axes,
        subjects=prefixes, computed=computed_columns(names), notes=notes,
    )  # fmt: skip


def write(path: Path, trial: Trial) -> None:
    """A new TRC file in the units and axes of `trial.axes`, hidden points blank.

    Reading it gives the same float32 millimetres. An upward axis other than y is named at the end of the first line.

    Raises `OutputError` if a label holds a tab or the like.
    """
    up = "" if trial.axes.up == "y" else f"\tup={trial.axes.up}"
    rate = f"{trial.rate_hz:.12g}"
    counts = f"{trial.n_frames}\t{trial.n_columns}\t{trial.axes.units}\t{rate}\t{trial.first_frame}\t{trial.n_frames}"
    names = full_names(trial)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"PathFileType\t4\t(X/Y/Z)\ttrial.trc{up}\n")
        file.write(
            "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
        )
        file.write(f"{rate}\t{rate}\t{counts}\n{_label_lines(names)}\n\n")
        # 9 digits tell every float32 from its neighbours.
        row_format = "\t".join(["%.9g"] * (3 * trial.n_columns))
        for n, row in enumerate(trial.axes.to_file(trial.positions).reshape(trial.n_frames, 3 * trial.n_columns)):
            cells = (row_format % tuple(row.tolist())).replace("nan", "")
            file.write(f"{trial.first_frame + n}\t{n / trial.rate_hz:.9g}\t{cells}\n")


def write_labelled(
    source: Path, path: Path, trial: Trial, columns: Sequence[OutputColumn], verify: bool = True
) -> tuple[str, ...]:
    """A copy of the TRC file `source` with its points in `columns`; every cell of data keeps its characters.

    `trial` is what `read(source)` gave. If `verify`, the copy is read again and compared. Returns notes (none so far).

    Raises `TrialError` if columns and source do not fit together, `VerificationError` if the copy is not what was to be
    written.
    """
    text = open_text(source)
    slots = _slots(text, trial)
    names = output_names(trial, columns)
    ending = b"\r\n" if text.lines[text.label_line].endswith(b"\r") else b"\n"
    head = list(text.lines[: text.rows[0]] if text.rows else text.lines)
    head[text.value_line] = with_n_markers(text, len(columns))
    labels = [line + ending[:-1] for line in _encoded(_label_lines(names), text.encoding).split(b"\n")]
    # The line of labels and, where there is one, the line X1 Y1 Z1 ... below it.
    n_label_lines = 2 if is_coordinate_line(text.lines, text.label_line + 1) else 1
    head[text.label_line : text.label_line + n_label_lines] = labels
    with path.open("wb") as file:
        file.write(b"\n".join(head) + b"\n")
        for row in _output_rows(text, trial, columns, slots):
            file.write(b"\t".join(row) + ending)
    if verify:
        check_copy(path, read(path, trial.axes.units, trial.axes.up), trial, columns, names)
    return ()


def write_filled(source: Path, path: Path, trial: Trial, mask: BoolArray, verify: bool = True) -> tuple[str, ...]:
    """A copy of the TRC file `source` in which the points of `trial` stand where `mask` is True; every other cell keeps
    its characters. A TRC cannot say which points were not measured, which the note returned says.

    Raises `TrialError` if trial and source do not fit together, `VerificationError` if the copy is not what was to be
    written.
    """
    text = open_text(source)
    slots = _slots(text, trial)
    if mask.shape != (trial.n_frames, trial.n_columns):
        raise TrialError(f"{source}: expected {trial.n_frames} frames as in the file, found {mask.shape[0]}")
    if mask.any(1).sum() > mask[slots].any(1).sum():
        raise OutputError(f"{path}: the source has no rows for some of the frames that were filled; name X.c3d with -o")
    points = trial.axes.to_file(trial.positions)
    lines = list(text.lines)
    for row in np.flatnonzero(mask[slots].any(1)).tolist():
        cells = text.cells(row)
        frame = slots[row]
        cells += [b""] * (2 + 3 * trial.n_columns - len(cells))
        for column in np.flatnonzero(mask[frame]).tolist():
            cells[2 + 3 * column : 5 + 3 * column] = [_cell(text, x) for x in points[frame, column].tolist()]
        ending = b"\r" if lines[text.rows[row]].endswith(b"\r") else b""
        lines[text.rows[row]] = (text.separator or b" ").join(cells) + ending
    path.write_bytes(b"\n".join(lines))
    if verify:
        whole = [OutputColumn(label, ((n, 0, trial.n_frames),)) for n, label in enumerate(trial.labels)]
        check_copy(path, read(path, trial.axes.units, trial.axes.up), trial, whole, full_names(trial))
    return (NO_FLAG,)


def _slots(text: TrcText, trial: Trial) -> list[int]:
    """The frame of the trial that each row is. Raises `TrialError` if they do not fit together."""
    clocks = numbers(text)[0]
    axis = time_axis(text.path, clocks[:, 0], clocks[:, 1], trial.rate_hz, [])
    if axis.n_frames != trial.n_frames:
        raise TrialError(f"{text.path}: expected {trial.n_frames} frames as in the trial, found {axis.n_frames}")
    slots: list[int] = axis.slots.tolist()
    return slots


def _cell(text: TrcText, value: float) -> bytes:
    cell = b"%.9g" % value
    return cell.replace(b".", b",") if text.decimal_comma else cell


def _encoded(labels: str, encoding: str) -> bytes:
    try:
        return labels.encode(encoding.removesuffix("-sig"))
    except UnicodeEncodeError as error:
        bad = labels[error.start : error.end]
        raise OutputError(f"labels: {bad!r} cannot be written in the encoding of the source, {encoding}") from error


def _columns(source: TrcText, points: Floats, n_span: int) -> tuple[list[str], list[str]]:
    """A label for each column, "" where the file has none, and notes on counts that differ."""
    n_columns, n_named, n_frames = points.shape[1], len(source.labels), len(points)
    notes = []
    if source.separator is None and n_named != n_columns:
        raise FileFormatError(
            f"{source.path}: expected as many names as the rows have markers, {n_columns}, found {n_named}; names that"
            " hold spaces need tabs between them"
        )
    counts = {"NumMarkers": stated_count(source, "nummarkers"), "the line of labels": n_named}
    for where, count in counts.items():
        if count is not None and count != n_columns:
            notes.append(f"{where} has {count} markers, the rows have {n_columns}; taken as {n_columns}")
    stated = stated_count(source, "numframes")
    if stated is not None and stated not in (n_frames, n_span):
        notes.append(f"NumFrames says {stated}, the file has {n_frames} rows; taken as {n_frames}")
    return source.labels + [""] * (n_columns - n_named), notes


def _axes(source: TrcText, points: Floats, units: str | None, up: str | None, notes: list[str]) -> FileAxes:
    said = source.values.get("units", "")
    if units is not None:
        found, how = units, "--units"
    elif known := known_units(said):
        found, how = known, "Units in the header"
    elif not said:
        sized, doubts = find_units(points.astype(np.float32), "", "Units", None)
        found, how = sized.units, sized.units_found
        notes += doubts
    else:
        raise FileFormatError(f"{source.path}: expected Units such as mm or m, found {said[:30]!r}; use --units")
    axes = FileAxes(found, "y", how, "assumed, as in OpenSim")
    if up is not None:
        return FileAxes(found, up, how, "--up")
    named = re.search(rb"\tup=(-?[xyz])\s*$", source.lines[0])
    if named:
        return FileAxes(found, named[1].decode(), how, "up= in the first line")
    if _stands_along_z(points * axes.mm_per_unit):
        return FileAxes(found, "z", how, "told by the points: they stand over a floor at 0 along z, not along y")
    return axes


def _stands_along_z(points_mm: Floats) -> bool:
    """Whether the points clearly stand on a floor at 0 along z, and not along y.

    Along z they stay above the floor and below a person's reach; along y they go below it; and in most frames they
    are spread wider along z than along y. So a file with y up is not mistaken, whatever the person does, as long as
    its floor is at 0.
    """
    sample = points_mm[:: max(1, len(points_mm) // 200)]
    sample = sample[(~np.isnan(sample[..., 0])).sum(1) >= 4]
    if not len(sample):
        return False
    low, high = np.nanpercentile(sample.reshape(-1, 3), (1, 99), axis=0)
    stands = _LOWEST_MM[0] <= low[2] <= _LOWEST_MM[1] and _HIGHEST_MM[0] <= high[2] <= _HIGHEST_MM[1]
    spread = np.nanmedian(np.nanstd(sample, axis=1), axis=0)
    return bool(stands and low[1] < _LOWEST_MM[0] and spread[2] > spread[1])


def _label_lines(names: Sequence[str]) -> str:
    printable(names, "TRC file")
    coordinates = "\t".join(f"X{n}\tY{n}\tZ{n}" for n in range(1, len(names) + 1))
    return "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\n\t\t" + coordinates


def _output_rows(
    source: TrcText, trial: Trial, columns: Sequence[OutputColumn], slots: Sequence[int]
) -> Iterator[list[bytes]]:
    """The cells of each output row: from the source column that is seen there, else as its first column has it."""
    origin = sources(trial, columns)
    blank = [b""] * 3
    for row, slot in enumerate(slots):
        cells = source.cells(row)
        cells += [b""] * (2 + 3 * trial.n_columns - len(cells))
        out_cells = cells[:2]
        for column in origin[slot].tolist():
            out_cells += cells[2 + 3 * column : 5 + 3 * column] if column >= 0 else blank
        yield out_cells
