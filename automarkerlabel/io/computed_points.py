"""Which columns hold computed points rather than measured markers.

Joint centres, angles, forces, moments, powers, centres of mass, projections to the floor, midpoints and the axes
of segments stand among the markers of many files. They are told by their names alone: there is nothing to learn from
them, and a label given to one would be wrong.
"""

import re
from collections.abc import Collection, Sequence

from automarkerlabel.errors import InputError

# A word ends where the case changes, at a separator or at the end: LHJC, L_HJC_reg, R.HipJC, but not "EJCA".
_SIDE = r"^(?:[LR]|LEFT|RIGHT)?[\W_]*"
_JOINT_CENTRE = r"(?:[HKAESWT]JC|(?:hip|knee|ankle|shoulder|elbow|wrist)[\W_]*(?:jc|joint(?:[\W_]*cent(?:re|er))?))"
_COMPUTED = (
    # Joint centres, by their usual letters, by name, and as estimated in one way or another.
    re.compile(_SIDE + _JOINT_CENTRE + r"(?:[\W_]*(?:reg|pred|func|ground|proj\w*))?\d?$", re.I),
    re.compile(r"joint[\W_]*cent(?:re|er)", re.I),
    # Joints and markers projected to the floor.
    re.compile(r"[a-z0-9\W_]Ground$"),
    # Midpoints of a pair of markers.
    re.compile(r"^Mid[\W_]?(?:ASIS?|PSIS?|Clavicles?|Hips?|HJC|Pelvis|Shoulders?|Knees?|Ankles?)$", re.I),
    # Quantities of a model.
    re.compile(r"[a-z\W_](?:Angles?|Forces?|Moments?|Powers?)\d?$"),
    re.compile(r"^[LR]?[\W_]*(?:NormalisedGRF|GroundReaction(?:Force|Moment)|GRFo?|GRM|COP)\d?$", re.I),
    re.compile(
        r"^(?:whole[\W_]?body|model)?[\W_]*(?:cent(?:re|er)[\W_]?of[\W_]?(?:mass|gravity|pressure)|com|cog)"
        r"(?:[\W_]?(?:floor|ground|proj\w*))?$",
        re.I,
    ),
)
_AXES = "OALP"
_MIN_AXES = 4


def computed_columns(
    labels: Sequence[str], type_groups_named: Collection[str] = (), exclude: str | None = None
) -> frozenset[int]:
    """The columns among `labels`, without subjects' prefixes, that hold computed points.

    `type_groups_named` are names that the file itself lists as angles, forces, ...; `exclude` is a regular expression
    that adds every label in which it is found. Raises `InputError` if `exclude` is no regular expression.

    >>> sorted(computed_columns(["LASI", "LHJC", "LKneeAngles", "PELO", "PELA", "PELL", "PELP"]))
    [1, 2, 3, 4, 5, 6]
    """
    try:
        wanted = re.compile(exclude) if exclude is not None else None
    except re.error as error:
        raise InputError(f"exclude: expected a regular expression, found {exclude!r} ({error})") from error
    axes = _segment_axes(labels)
    return frozenset(
        column
        for column, label in enumerate(labels)
        if label in type_groups_named
        or label in axes
        or any(pattern.search(label) for pattern in _COMPUTED)
        or (wanted is not None and wanted.search(label))
    )


def _segment_axes(labels: Sequence[str]) -> set[str]:
    """Names such as HEDO, HEDA, HEDL, HEDP: origin, anterior, lateral and proximal point of one segment.

    Only where all four of a stem are there: LFOP or TRXA alone may be somebody's marker.
    """
    stems: dict[str, set[str]] = {}
    for label in labels:
        if re.fullmatch(rf"[A-Z]{{3}}[{_AXES}]", label):
            stems.setdefault(label[:3], set()).add(label[3])
    return {stem + axis for stem, found in stems.items() if len(found) == _MIN_AXES for axis in found}
