"""C3D trials in and out: units, axes, names, new files, and labelled copies that keep every other bit."""

import warnings

import c3d as py_c3d
import ezc3d
import numpy as np
import pytest

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import UP_ROTATIONS, FileAxes, Trial
from automarkerlabel.errors import OutputError, TrialError, VerificationError
from automarkerlabel.io import c3d
from automarkerlabel.io.c3d import check
from automarkerlabel.io.c3d.layout import open_layout, parse
from automarkerlabel.io.c3d.patch import patched
from tests.fixtures.c3d_bytes import example, make_c3d, texts
from tests.fixtures.places import DATA

FILES = sorted(DATA.glob("c3d_suite/*/*.c3d")) + sorted(DATA.glob("[cp]*/**/*.c3d"))
FILES = sorted(set(FILES))
STORAGES = [(p, s) for p in ("Intel", "DEC", "MIPS") for s in (-0.5, 0.5)]
# py-c3d refuses three of the files: rates or groups that it holds for wrong.
NOT_FOR_PY_C3D = {"C3DRotationExample.c3d", "kinematics_racing_full.c3d", "zero_markers.c3d"}

needs_data = pytest.mark.skipif(not FILES, reason="shared data not there")
each_file = pytest.mark.parametrize("source", FILES or [None], ids=lambda p: p.name if p else "none")


def put(tmp_path, data, name="source.c3d"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def whole(trial, order=None):
    """Each source column as it is, under its own full name."""
    names = c3d.full_names(trial)
    return [
        OutputColumn(names[c], ((c, 0, trial.n_frames),)) for c in (range(trial.n_columns) if order is None else order)
    ]


# Reading


def test_millimetres_z_up_and_residuals(tmp_path):
    quality = np.full((6, 4), 256 + 20.0)
    quality[3, 1] = -1
    trial = c3d.read(put(tmp_path, make_c3d(example(), ["A", "B", "C", "D"], quality, scale=-0.1, rate=69.9, first=17)))
    assert trial.labels == ("A", "B", "C", "D")
    assert (trial.rate_hz, trial.first_frame) == (pytest.approx(69.9), 17)
    assert np.argwhere(~trial.visible).tolist() == [[3, 1]]
    np.testing.assert_array_equal(trial.positions[0], example()[0])
    assert trial.residuals.dtype == np.float32
    assert trial.residuals[0, 0] == pytest.approx(2.0)  # 20 × 0.1 mm
    assert np.isnan(trial.residuals[3, 1])


@pytest.mark.parametrize(
    ("stored", "given", "units", "found", "factor"),
    [
        ("mm", None, "mm", "POINT:UNITS", 1),
        ("m", None, "m", "POINT:UNITS", 1000),
        ("Meters", None, "m", "POINT:UNITS", 1000),
        ("", None, "mm", "assumed", 1),
        ("furlong", None, "mm", "assumed", 1),
        ("mm", "cm", "cm", "--units", 10),
    ],
)
def test_units(tmp_path, stored, given, units, found, factor):
    trial = c3d.read(put(tmp_path, make_c3d(example(), point={"UNITS": texts([stored], 8)})), units=given)
    assert (trial.axes.units, trial.axes.units_found) == (units, found)
    np.testing.assert_allclose(trial.positions, example() * factor, rtol=1e-6)
    assert any("--units" in note for note in trial.notes) == (found == "assumed" or stored in ("m", "Meters"))


def test_metres_without_a_name_are_seen_from_the_size(tmp_path):
    quality = np.full((6, 4), 5.0)
    trial = c3d.read(put(tmp_path, make_c3d(example() / 1000, None, quality, scale=-0.001, point={"UNITS": b""})))
    assert trial.axes.units == "m" and "m is assumed" in trial.notes[1]
    np.testing.assert_allclose(trial.positions, example(), rtol=1e-6)
    np.testing.assert_allclose(trial.residuals, 5.0, rtol=1e-6)


def person(up):
    """Points on a body of 1.7 m over the floor, in a file with the axis `up` upwards."""
    rng = np.random.default_rng(1)
    body = np.stack([rng.uniform(-800, 900, 40), rng.uniform(-700, 600, 40), np.linspace(20, 1700, 40)], 1)
    return FileAxes(up=up).to_file(np.repeat(body[None], 5, 0))


@pytest.mark.parametrize(
    ("real", "stored", "given", "up", "found"),
    [
        ("z", "+Z", None, "z", "POINT:Y_SCREEN"),
        ("y", "+Y", None, "y", "POINT:Y_SCREEN"),
        ("z", "-Z", None, "z", "POINT:Y_SCREEN, its sign contradicted by the points"),
        ("-z", "-Z", None, "-z", "POINT:Y_SCREEN"),
        ("z", "", None, "z", "assumed"),
        ("y", "", None, "z", "assumed"),
        ("y", "+Z", None, "z", "POINT:Y_SCREEN"),
        ("x", "+Z", "x", "x", "--up"),
    ],
)
def test_up_axis(tmp_path, real, stored, given, up, found):
    data = make_c3d(person(real), point={"Y_SCREEN": texts([stored], 2), "X_SCREEN": texts(["+X"], 2)})
    trial = c3d.read(put(tmp_path, data), up=given)
    assert (trial.axes.up, trial.axes.up_found) == (up, found)
    if real == up:
        np.testing.assert_allclose(trial.positions[0, :, 2], np.linspace(20, 1700, 40), rtol=1e-5)
    assert any("use --up" in note for note in trial.notes) == (real != up)


@pytest.mark.parametrize("name", ["units", "up"])
def test_a_wrong_word_for_units_or_up(tmp_path, name):
    with pytest.raises(TrialError, match=f"use --{name}"):
        c3d.read(put(tmp_path, make_c3d(example())), **{name: "sideways"})


def test_odd_names_are_noted_and_never_fatal(tmp_path):
    trial = c3d.read(put(tmp_path, make_c3d(example(), ["N1:A", "N2:A", "", "A", "X", "Y"])))
    assert (trial.labels, trial.subjects) == (("A", "A", "", "A"), ("N1", "N2", "", ""))
    notes = "\n".join(trial.notes)
    assert "names 2 more than the 4 columns" in notes and "1 of 4 columns have no name" in notes
    assert "names of 2 subjects: N1, N2" in notes
    assert c3d.read(put(tmp_path, make_c3d(example(), ["A"]))).labels == ("A", "", "", "")
    assert "1 names stand more than once: A" in c3d.read(put(tmp_path, make_c3d(example(), ["A", "A", "B", "C"]))).notes


@pytest.mark.parametrize(
    ("data", "shape", "note"),
    [
        (make_c3d(np.zeros((5, 0, 3)), analog=np.ones((5, 3))), (5, 0, 3), "holds no markers"),
        (make_c3d(np.zeros((0, 3, 3)), tail=bytes(512)), (0, 3, 3), "holds no frames"),
        (make_c3d(example(), with_point=False), (6, 4, 3), "no POINT group"),
    ],
)
def test_what_is_missing_is_noted(tmp_path, data, shape, note):
    trial = c3d.read(put(tmp_path, data))
    assert trial.positions.shape == shape and any(note in x for x in trial.notes)


def test_listed_model_outputs_are_computed(tmp_path):
    point = {"TYPE_GROUPS": texts(["WORKS", "WORK"], 5), "WORKS": texts(["C"], 4), "ANGLES": texts(["N:D"], 4)}
    trial = c3d.read(put(tmp_path, make_c3d(example(), ["N:A", "LHJC", "C", "N:D"], point=point)))
    assert trial.computed == {1, 2, 3}


# New files


@pytest.mark.parametrize("up", UP_ROTATIONS)
@pytest.mark.parametrize("units", ["mm", "m"])
def test_what_is_written_is_read_again(tmp_path, up, units):
    axes = FileAxes(units, up)
    points = axes.to_mm_z_up(person(up) / axes.mm_per_unit)
    points[2, 3] = np.nan
    residuals = np.full(points.shape[:2], 1.25)
    residuals[1, 1] = np.nan
    names = [f"L{n}" for n in range(40)]
    trial = Trial(points, names, 69.9, residuals, 12, axes, ["N"] * 20 + [""] * 20)
    path = tmp_path / "new.c3d"
    c3d.write(path, trial)
    again = c3d.read(path)
    assert (again.labels, again.subjects, again.first_frame) == (trial.labels, trial.subjects, 12)
    assert again.rate_hz == pytest.approx(69.9)
    assert (again.axes.units, again.axes.up) == (units, up)
    np.testing.assert_allclose(again.positions, points, rtol=3e-7)
    assert units != "mm" or np.array_equal(again.positions, points, equal_nan=True)
    # An unknown residual of a visible point is written as 0: -1 would hide the point.
    np.testing.assert_allclose(again.residuals[0], 1.25, atol=0.0051)
    assert again.residuals[1, 1] == 0 and np.isnan(again.residuals[2, 3])


@pytest.mark.parametrize(("n_frames", "n_columns"), [(3, 300), (70000, 2), (0, 3), (3, 0), (3, 1000)])
def test_new_files_of_all_sizes(tmp_path, n_frames, n_columns):
    rng = np.random.default_rng(0)
    points = rng.normal(0, 500, (n_frames, n_columns, 3)).astype(np.float32)
    trial = Trial(points, [f"M{n}" for n in range(n_columns)], 100.0, first_frame=7)
    path = tmp_path / "new.c3d"
    c3d.write(path, trial)
    again = c3d.read(path)
    np.testing.assert_array_equal(again.positions, points)
    assert (again.labels, again.first_frame) == (trial.labels, 7 if n_frames else again.first_frame)
    if n_columns and 0 < n_frames < 65536:
        other = ezc3d.c3d(str(path))
        np.testing.assert_array_equal(np.moveaxis(other["data"]["points"][:3], 0, 2), points.swapaxes(0, 1))


def test_residuals_too_large_for_a_byte_take_larger_steps(tmp_path):
    trial = Trial(example(), list("ABCD"), 100.0, np.full((6, 4), 51.0))
    c3d.write(tmp_path / "new.c3d", trial)
    np.testing.assert_allclose(c3d.read(tmp_path / "new.c3d").residuals, 51.0, rtol=1e-6)


def test_names_that_a_c3d_cannot_hold(tmp_path):
    with pytest.raises(OutputError, match="has 300 bytes, a C3D file holds 255"):
        c3d.write(tmp_path / "new.c3d", Trial(example(), ["x" * 300, "B", "C", "D"], 100.0))
    many = Trial(np.ones((1, 700, 3)), [f"{n:0200}" for n in range(700)], 100.0)
    with pytest.raises(OutputError, match="blocks of parameters, a C3D file holds 255"):
        c3d.write(tmp_path / "new.c3d", many)


# Labelled copies


@pytest.mark.parametrize(("processor", "scale"), STORAGES)
def test_a_copy_without_changes_is_the_same_file(tmp_path, processor, scale):
    data = make_c3d(
        example(), ["N:A", "N:B", b"\xe9", "", "X"], np.full((6, 4), 513.0), processor, scale, analog=np.ones((6, 3)),
        point={"DESCRIPTIONS": texts(["one", "two"], 6)}, tail=b"rest",
    )  # fmt: skip
    source = put(tmp_path, data)
    c3d.write_labelled(source, tmp_path / "out.c3d", c3d.read(source), whole(c3d.read(source)))
    assert (tmp_path / "out.c3d").read_bytes() == data


@pytest.mark.parametrize(("processor", "scale"), STORAGES)
def test_columns_joined_split_added_and_dropped(tmp_path, processor, scale):
    quality = np.full((6, 4), 256 * 5 + 7.0)
    quality[2:, 0] = -1
    quality[:3, 1] = -1
    analog = np.arange(18).reshape(6, 3)
    source = put(tmp_path, make_c3d(example(), list("ABCD"), quality, processor, scale, analog=analog))
    columns = [
        OutputColumn("joined", ((0, 0, 3), (1, 3, 6))),
        OutputColumn("split", ((2, 1, 4),)),
        OutputColumn("empty", ()),
        OutputColumn("D", ((3, 0, 6),)),
    ]
    notes = c3d.write_labelled(source, tmp_path / "out.c3d", c3d.read(source), columns)
    assert bool(notes) == (processor == "MIPS")  # ezc3d checked the others
    before, copy = open_layout(source), open_layout(tmp_path / "out.c3d")
    assert copy.texts("POINT", "LABELS") == ["joined", "split", "empty", "D"]
    seen = ~copy.hidden
    assert seen.astype(int).T.tolist() == [[1, 1, 0, 1, 1, 1], [0, 1, 1, 1, 0, 0], [0] * 6, [1] * 6]
    np.testing.assert_array_equal(copy.point_words[:2, 0], before.point_words[:2, 0])
    np.testing.assert_array_equal(copy.point_words[3:, 0], before.point_words[3:, 1])
    # Hidden samples are the source's where it is hidden, and else zeros with a residual of -1.
    np.testing.assert_array_equal(copy.point_words[2, 0], before.point_words[2, 0])
    assert (copy.coordinates[:, 2] == 0).all() and (copy.quality[:, 2] == -1).all()
    np.testing.assert_array_equal(copy.words[:, 16:], before.words[:, 16:])


def grown(tmp_path, n_new=300, **more):
    """A copy with so many long names that the parameter section grows, its source, and the layouts of both."""
    rotation = {"ROTATION": {"DATA_START": bytes([2, 0]) + (5).to_bytes(2, "little") + b"\0"}}
    data = make_c3d(example(), list("ABCD"), analog=np.ones((6, 2)), groups=rotation, tail=b"\x07" * 512, **more)
    start = parse(data).data_end // 512 + 2  # block of the tail, counted from 1
    data = data.replace((5).to_bytes(2, "little") + b"\0", start.to_bytes(2, "little") + b"\0")
    source = put(tmp_path, data)
    columns = [*whole(c3d.read(source)), *(OutputColumn(f"extra_{n:030}", ()) for n in range(n_new))]
    c3d.write_labelled(source, tmp_path / "out.c3d", c3d.read(source), columns)
    return open_layout(source), open_layout(tmp_path / "out.c3d"), [column.label for column in columns]


def test_a_section_that_grows_moves_everything_behind_it(tmp_path):
    before, copy, names = grown(tmp_path)
    assert c3d.read(tmp_path / "out.c3d").labels == tuple(names)
    assert len(copy.entries("POINT", "LABELS")) == 255 and len(copy.entries("POINT", "LABELS2")) == 49
    assert copy.numbers("POINT", "USED") == [304] and copy.data[2:4] == (304).to_bytes(2, "little")
    assert copy.data_start > before.data_start
    assert copy.numbers("POINT", "DATA_START") == [copy.data_start // 512 + 1]
    assert copy.section[1] == copy.data_start
    tail = int(copy.numbers("ROTATION", "DATA_START")[0] - 1) * 512
    assert copy.data[tail:] == b"\x07" * 512
    np.testing.assert_array_equal(copy.words[:, 4 * 304 :], before.words[:, 16:])


def test_the_header_s_pointer_to_labels_and_ranges_moves_along(tmp_path):
    before, copy, _ = grown(tmp_path, header={148: 12345, 149: 100})
    moved = copy.numbers("ROTATION", "DATA_START")[0] - before.numbers("ROTATION", "DATA_START")[0]
    assert moved > 0 and int.from_bytes(copy.data[296:298], "little") == 100 + moved


def test_names_beyond_what_a_section_holds(tmp_path):
    with pytest.raises(OutputError, match="a C3D file holds 255; shorten them"):
        grown(tmp_path, 5000)
    source = tmp_path / "source.c3d"
    trial = c3d.read(source)
    with pytest.raises(OutputError, match="a C3D file holds 255; shorten it"):
        c3d.write_labelled(source, tmp_path / "o.c3d", trial, [OutputColumn("x" * 256, ((0, 0, 6),))])


def test_fewer_labels_leave_no_labels2_behind(tmp_path):
    names = [f"M{n}" for n in range(300)]
    source = put(tmp_path, make_c3d(example(2, 300), names[:255], point={"LABELS2": texts(names[255:], 8)}))
    trial = c3d.read(source)
    c3d.write_labelled(source, tmp_path / "out.c3d", trial, whole(trial, range(299, -1, -2)))
    copy = open_layout(tmp_path / "out.c3d")
    assert ("POINT", "LABELS2") not in copy.parameters
    assert copy.texts("POINT", "LABELS") == names[299::-2]


@pytest.mark.parametrize("with_point", [True, False])
def test_labels_are_made_where_there_are_none(tmp_path, with_point):
    source = put(tmp_path, make_c3d(example(), with_point=with_point))
    columns = [OutputColumn(f"L{n}", ((n, 0, 6),)) for n in range(4)]
    c3d.write_labelled(source, tmp_path / "out.c3d", c3d.read(source), columns)
    assert c3d.read(tmp_path / "out.c3d").labels == ("L0", "L1", "L2", "L3")


def test_descriptions_go_with_their_columns_and_spare_labels_stay(tmp_path):
    point = {"DESCRIPTIONS": texts(["one", "two", "three"], 6)}
    source = put(tmp_path, make_c3d(example(), ["A", "B", "C", "D", "spare"], point=point))
    trial = c3d.read(source)
    c3d.write_labelled(source, tmp_path / "out.c3d", trial, whole(trial, [3, 2, 1, 0]))
    copy = open_layout(tmp_path / "out.c3d")
    assert copy.texts("POINT", "LABELS") == ["D", "C", "B", "A", "spare"]
    assert copy.texts("POINT", "DESCRIPTIONS") == ["", "three", "two", "one"]


def test_a_subjects_prefix_is_put_back(tmp_path):
    source = put(tmp_path, make_c3d(example(2, 6), ["Nick:A", "Nick:B", "box:E", "*3", "*4", "*5"]))
    trial = c3d.read(source)
    assert trial.subjects == ("Nick", "Nick", "box", "", "", "")
    given = ["B", "A", "E", "LFHD", "*0", "other:X"]
    columns = [OutputColumn(name, ((n, 0, 2),)) for n, name in enumerate(given)]
    c3d.write_labelled(source, tmp_path / "out.c3d", trial, columns)
    stored = open_layout(tmp_path / "out.c3d").texts("POINT", "LABELS")
    assert stored == ["Nick:B", "Nick:A", "box:E", "Nick:LFHD", "*0", "other:X"]


@pytest.mark.parametrize("pieces", [((4, 0, 6),), ((0, 0, 7),), ((0, 3, 2),), ((0, 0, 4), (1, 3, 6))])
def test_pieces_that_do_not_fit(tmp_path, pieces):
    source = put(tmp_path, make_c3d(example()))
    with pytest.raises(TrialError, match="output column 0"):
        c3d.write_labelled(source, tmp_path / "out.c3d", c3d.read(source), [OutputColumn("A", pieces)])


def test_a_trial_of_another_file(tmp_path):
    source = put(tmp_path, make_c3d(example()))
    with pytest.raises(TrialError, match="expected the trial that was read from it"):
        c3d.write_labelled(source, tmp_path / "out.c3d", c3d.read(put(tmp_path, make_c3d(example(5)), "b.c3d")), [])


def test_a_wrong_copy_is_found_by_both_readers(tmp_path):
    source = put(tmp_path, make_c3d(example(), list("ABCD")))
    layout = open_layout(source)
    patch = patched(layout, [(name, ((n, 0, 6),)) for n, name in enumerate("ABCD")])
    for wrong, message in (
        (make_c3d(example(), list("ABDC")), "names|name"),
        (make_c3d(example() + 1, list("ABCD")), "samples|positions"),
        (make_c3d(example(5), list("ABCD")), "frames"),
        (make_c3d(example(), list("ABCD"), rate=50.0), "frame rate"),
        (make_c3d(example(), list("ABCD"), point={"UNITS": texts(["cm"], 4)}), "POINT:UNITS|^$"),
    ):
        copy = put(tmp_path, wrong, "copy.c3d")
        with pytest.raises(VerificationError, match=message):
            check.check_copy(parse(wrong), layout, patch)
        if "UNITS" not in message:
            with pytest.raises(VerificationError, match=message):
                check.check_with_ezc3d(source, layout, copy, patch)
    copy = put(tmp_path, b"nonsense", "copy.c3d")
    with pytest.raises(VerificationError, match="opens the original but not the copy"):
        check.check_with_ezc3d(source, layout, copy, patch)
    assert check.check_with_ezc3d(source, layout, source, patch) == ()


def test_a_source_that_ezc3d_cannot_open_is_noted(tmp_path):
    for more, why in (({"processor": "MIPS"}, "cannot open the original (RuntimeError: MIPS"),
                      ({"with_point": False}, "reads the original otherwise (it finds 0 columns")):  # fmt: skip
        source = put(tmp_path, make_c3d(example(), list("ABCD"), **more))
        trial = c3d.read(source)
        notes = c3d.write_labelled(source, tmp_path / "out.c3d", trial, whole(trial, [1, 0]))
        assert len(notes) == 1 and why in notes[0]
    assert c3d.write_labelled(source, tmp_path / "out.c3d", trial, whole(trial), verify=False) == ()


# Laboratories' own files


@needs_data
@each_file
def test_real_file_copied_without_changes_is_the_same_file(source, tmp_path):
    trial = c3d.read(source)
    c3d.write_labelled(source, tmp_path / "out.c3d", trial, whole(trial), verify=False)
    assert (tmp_path / "out.c3d").read_bytes() == source.read_bytes()


def by_py_c3d(path):
    """Points with residual and cameras (n_frames, n_points, 5), analog samples, and all parameters of a file."""
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")
        reader = py_c3d.Reader(file)
        frames = list(reader.read_frames(copy=True))
        parameters = {
            (group, name): bytes(p.bytes) for group, g in reader.group_items() for name, p in g.param_items()
        }  # fmt: skip
        return np.array([f[1] for f in frames]), np.array([f[2] for f in frames]), parameters


@needs_data
@each_file
def test_real_file_permuted_and_renamed_keeps_every_bit(source, tmp_path):
    out = tmp_path / "out.c3d"
    trial = c3d.read(source)
    order = np.random.default_rng(5).permutation(trial.n_columns)
    columns = [
        OutputColumn(f"new_{k}" if k % 3 else c3d.full_names(trial)[c], ((int(c), 0, trial.n_frames),))
        for k, c in enumerate(order)
    ]
    c3d.write_labelled(source, out, trial, columns)  # ezc3d compares, where it can open the source
    before, copy = open_layout(source), open_layout(out)
    np.testing.assert_array_equal(copy.point_words, before.point_words[:, order])
    np.testing.assert_array_equal(copy.words[:, 4 * copy.n_points :], before.words[:, 4 * before.n_points :])
    assert copy.data[copy.data_end :] == before.data[before.data_end :]
    changed = {("POINT", name) for name in ("LABELS", "DESCRIPTIONS", "DATA_START")}
    assert [(r.group, r.name) for r in copy.records] == [(r.group, r.name) for r in before.records]
    for key, record in before.parameters.items():
        other = copy.parameters[key]
        if key not in changed:
            assert before.data[record.pointer + 2 : record.end] == copy.data[other.pointer + 2 : other.end], key
    header = bytearray(before.data[:512])
    header[16:18] = copy.data[16:18]
    assert copy.data[:512] == bytes(header)
    if source.name not in NOT_FOR_PY_C3D:
        points, analog, parameters = by_py_c3d(source)
        points_again, analog_again, parameters_again = by_py_c3d(out)
        np.testing.assert_array_equal(points_again, points[:, order])
        np.testing.assert_array_equal(analog_again, analog)
        kept = set(parameters) - changed
        assert {key: parameters_again[key] for key in kept} == {key: parameters[key] for key in kept}


@needs_data
@each_file
def test_real_file_as_an_independent_reader_sees_it(source):
    if source.name in NOT_FOR_PY_C3D:
        other = np.moveaxis(ezc3d.c3d(str(source))["data"]["points"], 0, 2).swapaxes(0, 1)
        layout = open_layout(source)
        seen = ~layout.hidden
        np.testing.assert_allclose(layout.coordinates[seen], other[..., :3][seen], rtol=1e-6)
        return
    layout = open_layout(source)
    points, _, _ = by_py_c3d(source)
    seen = ~layout.hidden
    np.testing.assert_allclose(layout.coordinates[seen], points[..., :3][seen], rtol=1e-6)
    np.testing.assert_allclose(layout.residuals[seen], points[..., 3][seen], rtol=1e-6)
    np.testing.assert_array_equal(layout.camera_masks[seen], points[..., 4][seen])


@needs_data
def test_the_residual_bytes_are_the_right_way_round():
    source = DATA / "c3d_suite" / "ezc3d" / "Qualisys.c3d"
    assert np.nanmean(c3d.read(source).residuals) == pytest.approx(1.964, abs=0.001)
