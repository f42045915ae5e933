"""Search for pairs of left and right keypoints by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gog_pose.data.importing.known import plain

_OPPOSITE = {"left": "right", "right": "left", "l": "r", "r": "l"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_A-Za-z]+")  # in camel case and in names with separators


def pairs_by_name(keypoints: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of indices of keypoints whose names differ only in left and right.

    Names may be spelled ``left_eye``, ``eye_left``, ``leftEye``, ``LeftEye``, ``L_eye``, ``eye-l``, ``LEye`` or
    ``leye``, in any case and with any separators. A pair needs both names, each the mirror image of the other.
    """
    index = {plain(name): place for place, name in enumerate(keypoints)}
    pairs = []
    for place, name in enumerate(keypoints):
        other = next((index[key] for key in _mirrored(name) if key in index and index[key] != place), None)
        if other is not None and place < other and place in (index.get(key) for key in _mirrored(keypoints[other])):
            pairs.append((place, other))
    used = [end for pair in pairs for end in pair]
    return [pair for pair in pairs if used.count(pair[0]) == used.count(pair[1]) == 1]


def has_side(name: str) -> bool:
    """Return whether a name contains the word left or right."""
    return any(side in plain(name) for side in ("left", "right"))


def _mirrored(name: str) -> Iterator[str]:
    """Yield possible names of the mirror image, as ``plain`` returns them, the most certain first."""
    words = [word.casefold() for word in _WORDS.findall(name)]
    for place, word in enumerate(words):
        if word in _OPPOSITE:
            yield "".join([*words[:place], _OPPOSITE[word], *words[place + 1 :]])
    whole = plain(name)
    for side, other in _OPPOSITE.items():
        if whole.startswith(side):
            yield other + whole[len(side) :]
        if whole.endswith(side):
            yield whole[: len(whole) - len(side)] + other
