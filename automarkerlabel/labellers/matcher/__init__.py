"""Labelling by matching: the points of a trial against one labelled pose of the same marker set, whichever it is."""
