import numpy as np
import pytest

from automarkerlabel.core.marker_set import MarkerSet, from_trials, is_unlabelled, labelled_columns
from automarkerlabel.core.sides import find_pairs
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import MarkerSetError


def test_pairs_of_common_spellings():
    labels = ["LASI", "RASI", "L.Heel", "R.Heel", "r_knee", "L_knee", "LeftToe", "RightToe", "C7", "STRN"]
    assert find_pairs(labels) == (
        ("LASI", "RASI"), ("L.Heel", "R.Heel"), ("L_knee", "r_knee"), ("LeftToe", "RightToe"),
    )  # fmt: skip


def test_a_label_that_could_pair_twice_pairs_with_none():
    # LL could mirror to RL and to LR.
    assert find_pairs(["LL", "RL", "LR"]) == ()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("{}G", "{}D"), ("G{}", "D{}"), ("{}_gauche", "{}_droite"),  # French
        ("L{}", "R{}"), ("{} links", "{} rechts"), ("li_{}", "re_{}"),  # German and Dutch
        ("{}_I", "{}_D"), ("{}_izq", "{}_der"), ("{}Izquierda", "{}Derecha"),  # Spanish
        ("{}S2", "{}D2"), ("{}_sx", "{}_dx"), ("{}Sinistro", "{}Destro"),  # Italian
        ("E_{}", "D_{}"), ("{}_esq", "{}_dir"), ("{}Esquerdo", "{}Direito"),  # Portuguese
    ],
)  # fmt: skip
def test_sides_of_other_languages(left, right):
    pairs = [(left.format(x), right.format(x)) for x in ("TAM", "MOF", "BAK")]
    assert set(find_pairs([x for pair in pairs for x in pair] + ["C7", "T10"])) == set(pairs)


def test_letters_of_other_languages_count_only_where_many_names_have_them():
    assert find_pairs(["TOEG", "TOED", "C7", "T10", "SACR", "HEAD"]) == ()
    assert find_pairs(["LFHD", "RFHD", "LBHD", "RBHD", "XG", "XD", "YG", "YD"]) == (("LFHD", "RFHD"), ("LBHD", "RBHD"))


def test_mirror_order_is_its_own_inverse():
    order = MarkerSet(["LA", "C7", "RA", "r_sh4"]).mirror_order()
    assert order == [2, 1, 0, 3]
    assert [order[i] for i in order] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"labels": []}, "at least one"),
        ({"labels": ["A", "A"]}, "distinct"),
        ({"labels": ["A", ""]}, "distinct"),
        ({"labels": ["A"], "segments": ["x", "y"]}, "segment"),
        ({"labels": ["A"], "local_mm": np.zeros((2, 3))}, "coordinates"),
        ({"labels": ["A"], "pairs": [("A", "B")]}, "B"),
    ],
)
def test_contradictions_are_refused(arguments, said):
    with pytest.raises(MarkerSetError, match=said):
        MarkerSet(**arguments)


@pytest.mark.parametrize(
    "name", ["*12", "", " ", "U_12", "C_3", "M001", "unlabeled 12", "Unlabelled_3", "123", "unnamed"]
)
def test_placeholders(name):
    assert is_unlabelled(name)


@pytest.mark.parametrize("name", ["C7", "T10", "CLAV", "M5", "L1", "U", "UNI", "C_7A", "LASI"])
def test_real_names_are_no_placeholders(name):
    assert not is_unlabelled(name)


def test_set_from_trials_keeps_order_and_leaves_out_computed_and_unnamed():
    a = Trial(np.zeros((1, 4, 3)), ["B", "*1", "LHJC", "B"], 100, computed=frozenset({2}))
    b = Trial(np.zeros((1, 2, 3)), ["A", "B"], 100)
    assert from_trials([a, b]).labels == ("B", "A")
    assert labelled_columns(a) == [("B", 0)]


def test_no_labels_at_all():
    with pytest.raises(MarkerSetError, match="no named marker"):
        from_trials([Trial(np.zeros((1, 1, 3)), ["*0"], 100)])
