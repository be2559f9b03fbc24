"""Marker sets drawn at random: what some laboratory might stick on, anew for every sample."""

from dataclasses import dataclass

import torch
from torch import Tensor

from automarkerlabel.marker_sets.body.landmarks import LANDMARKS
from automarkerlabel.marker_sets.body.segments import INDEX, on_surface
from automarkerlabel.simulate.poses import Chance

# How readily a place is worn, as a logit; those not named: _RARE.
_USUAL: dict[float, str] = {
    2.2: "asis psis knee_lateral ankle_lateral heel second_metatarsal_head acromion C7 elbow_lateral wrist_radial"
    " wrist_ulnar jugular_notch",
    1.2: "sacrum T10 xiphoid head_front head_back fifth_metatarsal_head first_metatarsal_head knee_medial ankle_medial"
    " elbow_medial third_knuckle T8",
    0.4: "iliac_crest trochanter sternum clavicle_medial toe_tip hallux scapula_middle second_knuckle fifth_knuckle"
    " vertex temple head_side deltoid hand_back tibial_tuberosity fibula_head L3 T2",
}
_RARE = -0.6
_GROUPS: dict[str, tuple[str, ...]] = {  # worn or left off together
    "head": ("head",),
    "trunk": ("lumbar", "thorax"),
    "pelvis": ("pelvis",),
    "shoulder": ("clavicle", "upper_arm"),
    "forearm": ("forearm", "radius"),
    "hand": ("hand",),
    "thigh": ("thigh",),
    "shank": ("shank",),
    "foot": ("foot", "toes"),
}
_MEDIAL = (
    "knee_medial",
    "ankle_medial",
    "elbow_medial",
    "tibial_plateau_medial",
    "heel_medial",
    "first_metatarsal_head",
)
_UPPER = (
    "head",
    "trunk",
    "shoulder",
    "forearm",
    "hand",
    "free_trunk",
    "free_head",
    "cluster_upper_arm",
    "cluster_radius",
)
_CLUSTERS = {"thigh": 6, "shank": 6, "upper_arm": 4, "radius": 4}  # free places on each limb
_FREE = {"pelvis": 6, "thorax": 6, "lumbar": 4, "head": 6}  # and on the trunk and head
_CLUSTER_LOGIT, _FREE_LOGIT = 0.3, -0.9

_NEAREST_MM = 24.0  # closer than this no two markers are stuck on
_PLATE_MM = 42.0  # half the length of a plate


@dataclass(frozen=True)
class Sites:
    """Every place that could be worn: `(K,)` lists, and `(K, 3)` places in mm; free ones are drawn for each sample."""

    segment: Tensor
    place: Tensor
    logit: Tensor
    group: Tensor
    pair: Tensor  # the same number for a place and its mirror image
    free: Tensor  # bool
    limb: Tensor  # number of the limb whose plate a free place sits on, -1 for none
    groups: tuple[str, ...]


def all_sites() -> Sites:
    names = ["medial", *_GROUPS, "free_trunk", "free_head", *(f"cluster_{n}" for n in _CLUSTERS)]
    rows: list[tuple[int, tuple[float, float, float], float, int, str, bool, int]] = []
    usual = {name: logit for logit, group in _USUAL.items() for name in group.split()}
    for name, (segment, place) in LANDMARKS.items():
        stem = name[:-2] if name.endswith(("_l", "_r")) else name
        kind = segment[:-2] if segment.endswith(("_l", "_r")) else segment
        group = "medial" if stem in _MEDIAL else next(g for g, kinds in _GROUPS.items() if kind in kinds)
        rows.append((INDEX[segment], place, usual.get(stem, _RARE), names.index(group), stem, False, -1))
    limb = 0
    for kind, count in _CLUSTERS.items():
        for side in "lr":
            for n in range(count):
                rows.append(
                    (
                        INDEX[f"{kind}_{side}"],
                        (0, 0, 0),
                        _CLUSTER_LOGIT,
                        names.index(f"cluster_{kind}"),
                        f"{kind}{n}",
                        True,
                        limb,
                    )
                )
            limb += 1
    for kind, count in _FREE.items():
        group = "free_head" if kind == "head" else "free_trunk"
        rows += [
            (INDEX[kind], (0, 0, 0), _FREE_LOGIT, names.index(group), f"{kind}{n}", True, -1) for n in range(count)
        ]
    stems = sorted({row[4] for row in rows})
    return Sites(
        segment=torch.tensor([r[0] for r in rows]), place=torch.tensor([r[1] for r in rows], dtype=torch.float32),
        logit=torch.tensor([r[2] for r in rows]), group=torch.tensor([r[3] for r in rows]),
        pair=torch.tensor([stems.index(r[4]) for r in rows]), free=torch.tensor([r[5] for r in rows]),
        limb=torch.tensor([r[6] for r in rows]), groups=tuple(names),
    )  # fmt: skip


@dataclass(frozen=True)
class Worn:
    """Marker sets of B samples, n places each: `segment` `(B, n)`, `place` `(B, n, 3)` in mm on the standard body,
    `medial` `(B, n)`: worn for a static trial alone as likely as not, `there` `(B, n)`."""

    segment: Tensor
    place: Tensor
    medial: Tensor
    there: Tensor


def draw_marker_sets(count: int, n_markers: int, sites: Sites, chance: Chance) -> Worn:
    """`count` marker sets of at most `n_markers` places."""
    scores = _scores(count, sites, chance)
    best, chosen = scores.topk(min(n_markers, len(sites.segment)), dim=1)
    places = _places(count, sites, chance)
    segment = sites.segment[chosen]
    place = torch.gather(places, 1, chosen[..., None].expand(-1, -1, 3))
    # What sits on another marker is not worn; the better liked one stays, and those come first.
    near = (torch.cdist(place, place) < _NEAREST_MM) & (segment[:, :, None] == segment[:, None, :])
    earlier = torch.ones_like(near[0]).tril(-1)
    there = ~(near & earlier).any(2) & (best > -5)
    return Worn(segment, place, sites.group[chosen] == 0, there)


def _scores(count: int, sites: Sites, chance: Chance) -> Tensor:
    """How much each place is liked in each sample, `(count, K)`."""
    n_groups, n_pairs = len(sites.groups), int(sites.pair.max()) + 1
    by_group = chance.normal(count, n_groups) * 1.3
    legs, arms = chance.happens(0.12, count, 1), chance.happens(0.07, count, 1)
    upper = torch.tensor([name in _UPPER for name in sites.groups])
    lower = torch.tensor(
        [name in ("thigh", "shank", "foot", "cluster_thigh", "cluster_shank") for name in sites.groups]
    )
    by_group = by_group - 20.0 * (legs & upper) - 20.0 * (arms & ~legs & lower)
    by_pair = chance.normal(count, n_pairs)[:, sites.pair]
    alike = chance.happens(0.85, count, 1)  # most sets are the same on both sides
    own = chance.normal(count, len(sites.segment))
    # Some sets are for one side alone, some are of plates alone.
    on_side = torch.stack([is_on(sites.segment, "_r"), is_on(sites.segment, "_l")])
    one_sided = chance.happens(0.07, count, 1) & on_side[chance.happens(0.5, count).long()]
    plates = chance.happens(0.06, count, 1) & ~sites.free
    liked = sites.logit + by_group[:, sites.group] - 20.0 * one_sided - 4.0 * plates
    return liked + torch.where(alike, by_pair + 0.12 * own, 0.6 * by_pair + 0.8 * own)


def _places(count: int, sites: Sites, chance: Chance) -> Tensor:
    """Where each place is in each sample `(count, K, 3)`: landmarks about their place, free ones anywhere."""
    n_pairs, k = int(sites.pair.max()) + 1, len(sites.segment)
    alike = chance.happens(0.75, count, 1)  # free places mirror each other in most sets
    n_limbs = int(sites.limb.max()) + 1
    limb = sites.limb.clamp_min(0)

    def drawn(low: float, high: float) -> Tensor:
        shared, own = chance.uniform(low, high, count, n_pairs)[:, sites.pair], chance.uniform(low, high, count, k)
        return torch.where(alike, shared, own)

    along, around = drawn(0.08, 0.92), drawn(-180, 180)
    # On limbs mostly the front, the outer side and the back; on plates four or fewer close together.
    side_mean = chance.uniform(40, 130, count, n_limbs // 2).repeat_interleave(2, 1)
    along_mean = chance.uniform(0.25, 0.75, count, n_limbs // 2).repeat_interleave(2, 1)
    plate = chance.happens(0.45, count, n_limbs // 2).repeat_interleave(2, 1)[:, limb] & (sites.limb >= 0)
    slot = torch.arange(k) % 4
    long_way, round_way = torch.where(slot < 2, -1.0, 1.0), torch.where(slot % 2 == 0, -1.0, 1.0)
    size = chance.uniform(0.5, 1.3, count, 1)
    along = torch.where(plate, along_mean[:, limb] + long_way * size * _PLATE_MM / 400 + 0.01 * along, along)
    around = torch.where(plate, side_mean[:, limb] + round_way * size * 30 + 0.03 * around, around)
    on_limb = (sites.limb >= 0) & ~plate
    around = torch.where(on_limb, 60 + around * 0.7, around)
    places = sites.place.expand(count, -1, -1).clone()
    free = on_surface(
        sites.segment[sites.free], along[:, sites.free], around[:, sites.free], chance.uniform(1, 1.25, count, 1)
    )
    places[:, sites.free] = free
    scatter = chance.uniform(3, 14, count, 1, 1)
    spots = chance.normal(count, n_pairs, 3)[:, sites.pair] * scatter
    right = torch.tensor([1.0, -1.0, 1.0])
    spots = torch.where(is_on(sites.segment, "_r")[:, None], spots * right, spots)
    return places + spots + 4.0 * chance.normal(count, k, 3)


def is_on(segment: Tensor, ending: str) -> Tensor:
    """Whether the name of each segment, given by its number, has that ending."""
    return torch.tensor([name.endswith(ending) for name in INDEX])[segment]
