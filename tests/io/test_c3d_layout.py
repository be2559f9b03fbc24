"""The C3D layout: what it finds in files made by hand, and that no bytes can hurt it."""

import math
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel.errors import FileFormatError, InputError
from automarkerlabel.io import c3d
from automarkerlabel.io.c3d import facts
from automarkerlabel.io.c3d.frames import _count_by_size
from automarkerlabel.io.c3d.layout import list_entries, open_layout, parse
from automarkerlabel.io.c3d.parameters import BLOCK, decoded, float_word, floats_of
from automarkerlabel.io.c3d.patch import patched
from tests.fixtures.c3d_bytes import example, float_bytes, make_c3d, record, texts
from tests.fixtures.counting import counted_calls

STORAGES = [(p, s) for p in ("Intel", "DEC", "MIPS") for s in (-0.5, 0.5)]


@pytest.mark.parametrize(("processor", "scale"), STORAGES)
def test_points_of_all_processors_and_storages(processor, scale):
    points = example()
    quality = np.zeros((6, 4))
    quality[:, 1] = 3 * 256 + 7  # cameras 1 and 2, residual 7 steps
    quality[2, 3] = -1
    analog = np.arange(12).reshape(6, 2)
    layout = parse(make_c3d(points, ["A", "B", "C", "D"], quality, processor, scale, 120.0, 5, analog))
    assert (layout.processor, layout.is_float) == (processor, scale < 0)
    assert (layout.n_frames, layout.n_points, layout.first_frame, layout.rate_hz) == (6, 4, 5, 120.0)
    np.testing.assert_array_equal(layout.coordinates, points)
    assert layout.coordinates.dtype == np.float32
    assert np.argwhere(layout.hidden).tolist() == [[2, 3]]
    np.testing.assert_array_equal(layout.residuals[:, 1], 3.5)  # 7 × |scale|
    np.testing.assert_array_equal(layout.camera_masks[:, 1], 3)
    assert math.isnan(layout.residuals[2, 3]) and layout.camera_masks[2, 3] == 0
    assert layout.texts("POINT", "LABELS") == ["A", "B", "C", "D"]
    assert layout.texts("POINT", "UNITS") == ["mm"]


@pytest.mark.parametrize("hide", ["nan", "zeros", "residual"])
@pytest.mark.parametrize("processor", ["Intel", "MIPS"])
def test_three_ways_to_hide_a_point(hide, processor):
    points, quality = example(), np.zeros((6, 4))
    if hide == "residual":
        quality[1, 2] = -1
    else:
        points[1, 2] = np.nan if hide == "nan" else 0
    layout = parse(make_c3d(points, quality=quality, processor=processor))
    assert np.argwhere(layout.hidden).tolist() == [[1, 2]]


def test_residual_word_that_means_nothing():
    quality = np.zeros((6, 4))
    quality[0, 0], quality[0, 1], quality[0, 2] = np.nan, 1e9, np.inf
    layout = parse(make_c3d(example(), quality=quality))
    assert not layout.hidden.any()
    assert np.isnan(layout.residuals[0, [0, 2]]).all()
    assert layout.camera_masks.max() == 0


@given(st.floats(2.0**-126, 2.0**126, width=32), st.booleans())
@settings(max_examples=300, deadline=None)
def test_dec_floats_are_exact(size, negative):
    value = -size if negative else size
    raw = np.frombuffer(float_bytes(value, "DEC"), np.uint32)
    assert floats_of(raw, "DEC").tolist() == [value]
    assert float_word(value, "DEC").tobytes() == float_bytes(value, "DEC")


def test_dec_floats_at_the_ends_of_their_range():
    # Exponents 1 and 2 are below IEEE's usual numbers, 255 is no infinity, 0 is 0; a negative 0 is reserved.
    halves = [(0x0080, 0), (0x0100, 0), (0x7FFF, 0xFFFF), (0x0012, 5), (0x8000, 0)]
    raw = np.frombuffer(b"".join(struct.pack("<HH", *h) for h in halves), np.uint32)
    found = floats_of(raw, "DEC").tolist()
    assert found[:4] == [2.0**-128, 2.0**-127, (1 - 2.0**-24) * 2.0**127, 0.0]
    assert math.isnan(found[4])


@pytest.mark.parametrize("processor", ["Intel", "DEC", "MIPS"])
@pytest.mark.parametrize("value", [0.0, -1.0, 100.0])
def test_float_word_is_what_a_file_holds(processor, value):
    assert float_word(value, processor).tobytes() == float_bytes(value, processor)


def test_text_is_utf8_or_latin_1():
    assert decoded("épaule".encode()) == decoded("épaule".encode("latin-1")) == "épaule"
    assert decoded(b"  LASI \0\0") == "LASI"


def test_labels_go_on_in_labels2():
    names = [f"M{n}" for n in range(300)]
    data = make_c3d(example(2, 300), names[:255], point={"LABELS2": texts(names[255:], 8)})
    assert [decoded(x) for x in list_entries(parse(data), "POINT", "LABELS")] == names


def test_counts_are_unsigned():
    layout = parse(make_c3d(np.ones((1, 40000, 3))))
    assert (layout.n_points, layout.numbers("POINT", "USED")) == (40000, [40000.0])
    long = parse(make_c3d(np.ones((40000, 1, 3))))
    assert (long.n_frames, long.notes) == (40000, ())


def _real(*values):
    return bytes([4, 0]) + struct.pack("<f", *values) + b"\0"


def _halves(value):
    return bytes([2, 1, 2]) + struct.pack("<HH", value & 0xFFFF, value >> 16) + b"\0"


LONG = 66000


@pytest.mark.parametrize("place", ["LONG_FRAMES", "FRAMES", "TRIAL", "size", "wrapped"])
def test_more_frames_than_the_header_holds(place):
    point, groups, header = {"FRAMES": b"\x02\0\xff\xff\0"}, {}, {5: 65535}
    if place in ("LONG_FRAMES", "FRAMES"):
        point[place] = _real(LONG)
    elif place == "TRIAL":
        groups = {"TRIAL": {"ACTUAL_START_FIELD": _halves(1), "ACTUAL_END_FIELD": _halves(LONG)}}
    elif place == "wrapped":
        point, header = {"LONG_FRAMES": _real(LONG)}, {5: LONG - 65536}
    data = make_c3d(example(LONG, 1), point=point, groups=groups, header=header)
    layout = parse(data)
    assert layout.n_frames == LONG
    assert layout.coordinates[-1, 0].tolist() == [LONG, 200.5, 1000]
    assert ("its size says" in "".join(layout.notes)) == (place == "size")


@pytest.mark.parametrize("whole_block", [False, True])
def test_padding_is_no_frame_for_any_size_and_remainder(whole_block):
    for frame_bytes in range(2, 1100, 2):
        # so many frames that each remainder of a block comes once
        for count in range(520, 520 + BLOCK // math.gcd(frame_bytes, BLOCK)):
            n_data = count * frame_bytes
            padding = -n_data % BLOCK or (BLOCK if whole_block else 0)
            assert _count_by_size(_Ones(n_data, padding), 0, frame_bytes) == count


class _Ones:
    """Bytes that are not made: `n` of 1, then zeros."""

    def __init__(self, n, padding):
        self.n, self.length = n, n + padding

    def __len__(self):
        return self.length

    def __getitem__(self, where):
        return b"\1" * max(0, min(where.stop, self.n) - where.start) + b"\0" * (where.stop - max(self.n, where.start))


def test_frame_numbers_beyond_the_header():
    trial = {"ACTUAL_START_FIELD": _halves(70000), "ACTUAL_END_FIELD": _halves(70005)}
    layout = parse(make_c3d(example(), first=1, groups={"TRIAL": trial}))
    assert (layout.first_frame, layout.n_frames) == (70000, 6)


def test_stale_counts_are_not_believed():
    trial = {"ACTUAL_START_FIELD": _halves(1), "ACTUAL_END_FIELD": _halves(90000)}
    assert parse(make_c3d(example(), groups={"TRIAL": trial})).n_frames == 6
    layout = parse(make_c3d(example(60), point={"FRAMES": b"\x02\0\x0a\0\0"}))
    assert layout.n_frames == 60 and "POINT:FRAMES 10; 60 is believed" in layout.notes[0]


def test_no_point_group_and_nothing_in_the_section():
    layout = parse(make_c3d(example(), with_point=False))
    assert (layout.n_points, layout.n_frames, layout.records) == (4, 6, ())
    np.testing.assert_array_equal(layout.coordinates, example())


def test_the_last_pointer_may_be_zero_or_nonsense():
    for pointer in (0, 60000):
        body = texts(["A", "B", "C", "D"], 4)
        data = bytearray(make_c3d(example(), point={"LABELS": b"", "ZZ": body}))
        at = data.index(b"\x02\x01ZZ")
        data[at : at + len(record("ZZ", 1, body, "<"))] = record("ZZ", 1, body, "<", pointer)
        assert parse(bytes(data)).texts("POINT", "ZZ") == ["A", "B", "C", "D"]


def test_no_points_and_no_frames():
    assert parse(make_c3d(np.zeros((5, 0, 3)), analog=np.ones((5, 3)))).coordinates.shape == (5, 0, 3)
    assert parse(make_c3d(np.zeros((0, 3, 3)), tail=bytes(512))).coordinates.shape == (0, 3, 3)


def _changed(position, value, data=None):
    data = bytearray(data or make_c3d(example(), ["A", "B", "C", "D"]))
    data[position : position + len(value)] = value
    return bytes(data)


def _huge_dims():
    body = bytes([255, 7]) + bytes([255] * 7) + b"\0"
    return make_c3d(example(), point={"LABELS": body})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "at least 1024 bytes, found 0"),
        (b"a text file\n" * 200, "another kind of file"),
        (_changed(1, b"\x51"), "another kind of file"),
        (_changed(0, b"\xf0"), "parameter section ends after the file"),
        (_changed(512 + 2, b"\xf0"), "parameter section ends after the file"),
        (_changed(512 + 3, b"\x07"), "processor type 84, 85 or 86, found 7"),
        (make_c3d(example(), scale=math.nan), "usable scale factor"),
        (make_c3d(example(), rate=-100.0), "usable frame rate, found -100"),
        (make_c3d(example(), rate=math.inf), "usable frame rate"),
        (make_c3d(example(200))[:-4096], "expected 200 frames, found room for"),
        (_changed(2, b"\xff\xff"), "the file is cut"),
        (_huge_dims(), "LABELS runs out of the parameter section"),
    ],
)  # fmt: skip
def test_damaged_files_get_one_clear_line(data, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        parse(data, "x.c3d")
    assert str(caught.value).startswith("x.c3d: ") and "\n" not in str(caught.value)


def test_a_file_cut_anywhere_is_refused_or_read_whole():
    data = make_c3d(example(), ["A", "B", "C", "D"])
    end = parse(data).data_end
    for size in range(0, len(data), 7):
        if size < end:
            with pytest.raises(FileFormatError):
                parse(data[:size])
        else:
            assert parse(data[:size]).n_frames == 6


def _read_all(data):
    """Everything that the package does with the bytes of a C3D file."""
    layout = parse(data)
    facts.facts(layout)
    trial = c3d.trial_of(layout)
    columns = [(f"L{n}", ((n, 0, layout.n_frames),)) for n in reversed(range(layout.n_points))]
    patch = patched(layout, columns)
    copy = parse(b"".join(bytes(chunk) for chunk in patch.chunks))
    assert copy.n_frames == layout.n_frames
    return trial


@pytest.mark.parametrize(("processor", "scale"), STORAGES)
def test_mutated_bytes_raise_only_our_errors_in_bounded_time(processor, scale):
    rng = np.random.default_rng(7)
    groups = {"TRIAL": {"ACTUAL_START_FIELD": _halves(1), "ACTUAL_END_FIELD": _halves(6)}}
    data = make_c3d(example(), ["N:A", "N:B", "C", ""], None, processor, scale, analog=np.ones((6, 2)), groups=groups)
    _read_all(data)
    parameters = parse(data).section[1]
    outcomes, started = [], time.process_time()
    for _ in range(700):
        mutated = bytearray(data)
        for _ in range(rng.integers(1, 6)):
            # Where sizes and counts stand, mostly; extremes, mostly.
            at = rng.integers(0, 24) if rng.random() < 0.3 else rng.integers(512, parameters)
            mutated[int(at)] = int(rng.choice([0, 1, 2, 127, 128, 254, 255, rng.integers(256)]))
        try:
            _read_all(bytes(mutated))
            outcomes.append("read")
        except InputError as error:
            assert "\n" not in str(error)
            outcomes.append("refused")
    assert outcomes.count("read") > 20 and outcomes.count("refused") > 20
    assert time.process_time() - started < 60  # of this process; 3 s, as a rule


@given(st.binary(max_size=3000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_behind_a_right_beginning(rubbish):
    data = b"\x02\x50" + rubbish[:510].ljust(510, b"\0") + b"\x01\x50\x01\x54" + rubbish[510:].ljust(2000, b"\xff")
    try:
        _read_all(data)
    except InputError as error:
        assert "\n" not in str(error)


def test_files_are_read_without_a_loop_over_points(tmp_path):
    calls = []
    for n_frames in (60, 6000):
        path = tmp_path / f"{n_frames}.c3d"
        path.write_bytes(make_c3d(np.ones((n_frames, 100, 3))))
        with counted_calls() as count:
            layout = open_layout(path)
        assert layout.hidden.sum() == 0 and layout.coordinates.shape == (n_frames, 100, 3)
        calls.append(count[0])
    assert calls[1] < calls[0] + 1000  # of Python's, whatever time they take
