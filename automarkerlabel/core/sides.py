"""Which labels are left and right of one another, as their names tell it in some languages."""

import re
from collections.abc import Iterable, Iterator, Sequence

Pairs = tuple[tuple[str, str], ...]

# Words, which may stand anywhere in a name; the letters of English are those of German and Dutch, too.
_WORDS = (
    ("left", "right"), ("l", "r"),
    ("gauche", "droite"), ("gauche", "droit"), ("links", "rechts"), ("linke", "rechte"),
    ("izquierda", "derecha"), ("izquierdo", "derecho"), ("izq", "der"), ("sinistra", "destra"), ("sinistro", "destro"),
    ("esquerda", "direita"), ("esquerdo", "direito"), ("esq", "dir"),
)  # fmt: skip
# Their letters, which are also those of other words: they count where many names have them in the same place.
_LETTERS = (
    ("g", "d"), ("i", "d"), ("s", "d"), ("e", "d"), ("sx", "dx"), ("sin", "des"), ("li", "re"), ("iz", "de"),
    ("iz", "dr"), ("ga", "dr"),
)  # fmt: skip
_PLACES = ("^{}", r"{}(?=\d*$)", "(?<![a-z]){}(?![a-z])")  # first, last but for a number, apart from other letters
_FEWEST, _LEAST_SHARE = 3, 0.5  # pairs, and share of the names that are in them


def find_pairs(labels: Iterable[str]) -> Pairs:
    """(left, right) pairs among names, told by their names alone.

    Two names make a pair if one becomes the other, upper and lower case alike, by exchanging one "L" or "left" for "R"
    or "right", and if neither could pair with a third. So do the words of French, German, Spanish, Italian, Portuguese
    and Dutch; and their letters, as in `ACG` and `ACD`, where at least half of the names have them in the same place.
    Of several languages the one with most pairs counts.

    >>> find_pairs(["LFHD", "RFHD", "C7", "L.ASIS", "r.ASIS", "PVUL", "PVUR"])
    (('LFHD', 'RFHD'), ('L.ASIS', 'r.ASIS'), ('PVUL', 'PVUR'))
    >>> find_pairs(["ACG", "ACD", "C7", "EPG1", "EPD1", "GENG", "GEND"])
    (('ACG', 'ACD'), ('EPG1', 'EPD1'), ('GENG', 'GEND'))
    """
    names = list(labels)
    return max(_possible(names), key=len)  # the first of those that are as long


def _possible(names: Sequence[str]) -> Iterator[Pairs]:
    yield _pairs(names, _WORDS, ("{}",))
    for word in _LETTERS:
        for place in _PLACES:
            found = _pairs(names, (word,), (place,))
            if len(found) >= _FEWEST and 2 * len(found) >= _LEAST_SHARE * len(names):
                yield found


def _pairs(names: Sequence[str], words: Sequence[tuple[str, str]], places: Sequence[str]) -> Pairs:
    """Pairs of names that differ by one of `words`, (left, right), in one of `places`."""
    folded = {x.casefold(): x for x in names}
    partners: dict[str, set[str]] = {x: set() for x in names}
    lefts: dict[str, set[str]] = {x: set() for x in names}
    for name in names:
        for left, right in words:
            for own, other in ((left, right), (right, left)):
                for place in places:
                    for match in re.finditer(place.format(own), name, re.IGNORECASE):
                        mate = folded.get((name[: match.start()] + other + name[match.end() :]).casefold(), name)
                        if mate != name:
                            partners[name].add(mate)
                            if own == left:
                                lefts[name].add(mate)
    return tuple(
        (name, mate) for name in names for mate in lefts[name] if partners[name] == {mate} and partners[mate] == {name}
    )
