"""The sample data are what their script makes."""

import importlib.util

import numpy as np

from automarkerlabel.io.marker_sets import opensim
from automarkerlabel.marker_sets import catalogue
from automarkerlabel.marker_sets.body.segments import SEGMENTS
from automarkerlabel.marker_sets.opensim_body import body_places
from tests.fixtures.places import SAMPLES


def test_the_opensim_marker_set_has_the_places_of_plug_in_gait():
    found = body_places(opensim.read_marker_set(SAMPLES / "MarkerSet.xml"))
    places = catalogue.places("plug-in-gait")
    assert list(found) == list(catalogue.find("plug-in-gait").labels)
    for (segment, place), n, expected in zip(found.values(), places.segment, places.place, strict=True):
        assert segment == SEGMENTS[n]
        np.testing.assert_allclose(place, expected, atol=0.06)  # a file's 0.1 mm, rounded


def test_the_opensim_marker_set_is_as_the_script_makes_it():
    spec = importlib.util.spec_from_file_location("make_samples", SAMPLES / "make_samples.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.opensim_marker_set() == (SAMPLES / "MarkerSet.xml").read_text(encoding="utf-8")
