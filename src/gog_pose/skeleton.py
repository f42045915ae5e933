"""Skeletons: keypoints, limbs and mirror pairs, and all named skeletons of the package."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from numbers import Integral, Real
from typing import Any

from gog_pose.errors import InputError

_LARGEST_SIGMA = 1000  # relative to the size of a person; COCO's are below 0.2


@dataclass(frozen=True)
class Skeleton:
    """Keypoints and limbs of a person, used by encoder, heads, losses, decoder, flips and drawing.

    Attributes:
        name: Name in messages and checkpoints.
        keypoints: K names, in the order of the annotations.
        limbs: L directed pairs ``(from, to)`` of keypoint indices. The guiding offsets of a limb are defined around
            ``from`` and point to ``to`` (Sec. 2.3). A limb may be listed in both directions; each end then points to
            the other. The set of limbs must be closed under mirroring, regardless of direction.
        flip_pairs: Pairs of keypoint indices that mirroring swaps; keypoints without a pair are unchanged.
        oks_sigmas: K standard deviations, one per keypoint, of COCO's object keypoint similarity.

    Raises:
        InputError: A field has a wrong type, an index is out of range, a limb repeats, or the limbs are not closed
            under mirroring.
    """

    name: str
    keypoints: Sequence[str]
    limbs: Sequence[Sequence[int]]
    flip_pairs: Sequence[Sequence[int]]
    oks_sigmas: Sequence[float]

    def __post_init__(self) -> None:
        """Convert lists (from YAML and checkpoints) to tuples and check the fields."""
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"skeleton: name: must be text, got {reprlib.repr(self.name)}; put it in quotes")
        freeze = object.__setattr__
        freeze(
            self,
            "keypoints",
            self._checked(
                "keypoints",
                _is_name,
                "a list of names, with quotes for names that YAML converts, such as on, off, yes, no and numbers",
            ),
        )
        freeze(self, "limbs", self._pairs("limbs"))
        freeze(self, "flip_pairs", self._pairs("flip_pairs"))
        sigmas = self._checked("oks_sigmas", _is_sigma, "a list of positive numbers, one per keypoint")
        freeze(self, "oks_sigmas", tuple(float(sigma) for sigma in sigmas))

        if not self.keypoints:
            raise InputError(f"skeleton {self.name}: keypoints: is empty; give one name or more")
        if len(set(self.keypoints)) != self.num_keypoints:
            raise InputError(f"skeleton {self.name}: keypoints: names must differ, got {list(self.keypoints)}")
        if len(self.oks_sigmas) != self.num_keypoints:
            raise InputError(
                f"skeleton {self.name}: oks_sigmas: has {len(self.oks_sigmas)} values; give {self.num_keypoints}, one"
                " per keypoint"
            )
        for field, pairs in (("limbs", self.limbs), ("flip_pairs", self.flip_pairs)):
            for a, b in pairs:
                if a == b or not (0 <= a < self.num_keypoints and 0 <= b < self.num_keypoints):
                    raise InputError(
                        f"skeleton {self.name}: {field}: [{a}, {b}] must be two different keypoint indices"
                        f" from 0 to {self.num_keypoints - 1}"
                    )
        swapped = [index for pair in self.flip_pairs for index in pair]
        if len(set(swapped)) != len(swapped):
            raise InputError(f"skeleton {self.name}: flip_pairs: a keypoint may be in one pair only")
        if len(set(self.limbs)) != self.num_limbs:
            raise InputError(f"skeleton {self.name}: limbs: a limb may be listed only once in each direction")
        for start, end in self.limbs:
            mirror = (self.flip_index[start], self.flip_index[end])
            directions = {(start, end), (end, start)} & set(self.limbs)
            if len({mirror, mirror[::-1]} & set(self.limbs)) != len(directions):
                raise InputError(
                    f"skeleton {self.name}: limbs: [{start}, {end}] has no mirror image in the list;"
                    f" add [{mirror[0]}, {mirror[1]}]"
                )

    def _checked(self, field: str, is_entry: Callable[[Any], bool], what: str) -> tuple[Any, ...]:
        """Return the entries of a list after checking them."""
        entries = getattr(self, field)
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise InputError(f"skeleton {self.name}: {field}: must be {what}, got {reprlib.repr(entries)}")
        for place, entry in enumerate(entries):
            if not is_entry(entry):
                raise InputError(
                    f"skeleton {self.name}: {field}[{place}]: must be {what}, but it is {reprlib.repr(entry)}"
                )
        return tuple(entries)

    def _pairs(self, field: str) -> tuple[tuple[int, int], ...]:
        what = "a list of pairs of keypoint indices, counted from 0, such as [[0, 1], [0, 2]], or [] for none"
        return tuple((int(first), int(second)) for first, second in self._checked(field, _is_pair, what))

    @property
    def num_keypoints(self) -> int:
        """K, the number of keypoint types."""
        return len(self.keypoints)

    @property
    def num_limbs(self) -> int:
        """L, the number of limb types."""
        return len(self.limbs)

    @cached_property
    def flip_index(self) -> tuple[int, ...]:
        """K indices: keypoint ``i`` of a mirrored person is keypoint ``flip_index[i]`` of the person."""
        index = list(range(self.num_keypoints))
        for left, right in self.flip_pairs:
            index[left], index[right] = right, left
        return tuple(index)

    @cached_property
    def limb_flip_index(self) -> tuple[int, ...]:
        """L indices of the mirrored limbs, regardless of direction where only one direction is listed."""
        place = {limb: index for index, limb in enumerate(self.limbs)}
        mirrors = [(self.flip_index[start], self.flip_index[end]) for start, end in self.limbs]
        return tuple(place[mirror] if mirror in place else place[mirror[::-1]] for mirror in mirrors)

    @cached_property
    def limb_flip_reversed(self) -> tuple[bool, ...]:
        """L flags: True where the mirrored limb has the opposite direction, as from shoulder to shoulder."""
        return tuple(
            self.limbs[mirror][0] != self.flip_index[start]
            for (start, _), mirror in zip(self.limbs, self.limb_flip_index, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and strings for checkpoints and JSON; ``Skeleton(**skeleton.to_dict())`` is equal."""
        return {
            key: [list(item) if isinstance(item, tuple) else item for item in value]
            if isinstance(value, tuple)
            else value
            for key, value in asdict(self).items()
        }


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and len(value) == 2
        and all(isinstance(index, Integral) and not isinstance(index, bool) for index in value)
    )


def _is_sigma(value: Any) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and 0 < value < _LARGEST_SIGMA


_COCO_KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
_COCO_FLIP_PAIRS = tuple((left, left + 1) for left in range(1, 17, 2))
_COCO_OKS_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087,
    0.089, 0.089,
)  # fmt: skip

# The kinematic tree.
_LIMBS_16 = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (0, 6), (6, 8), (8, 10), (5, 11), (11, 13), (13, 15),
    (6, 12), (12, 14), (14, 16),
)  # fmt: skip
# The paper's limbs, "defined same as in PIFPAF" (Sec. 2.3).
_LIMBS_19 = (
    (0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (5, 6), (4, 6), (3, 5), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11),
    (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip
_LIMBS_31 = (
    *_LIMBS_19,
    (1, 5), (2, 6), (5, 12), (6, 11), (11, 14), (12, 13), (5, 9), (6, 10), (11, 15), (12, 16), (5, 0), (6, 0),
)  # fmt: skip
_LIMBS_44 = (
    (0, 1), (0, 2), (1, 2), (0, 3), (0, 4), (3, 4), (0, 5), (0, 6), (1, 5), (2, 6), (1, 3), (2, 4), (3, 5), (4, 6),
    (5, 6), (5, 11), (6, 12), (5, 12), (6, 11), (11, 12), (5, 7), (6, 8), (7, 9), (8, 10), (5, 9), (6, 10), (7, 8),
    (9, 10), (9, 11), (10, 12), (9, 13), (10, 14), (13, 11), (14, 12), (11, 14), (12, 13), (11, 15), (12, 16),
    (15, 13), (16, 14), (13, 16), (14, 15), (13, 14), (15, 16),
)  # fmt: skip
# Neither the paper nor its code lists the 39 limbs of "Ours 3". These are the 44 limbs without the five left-right
# limbs of ears, elbows, wrists, knees and ankles; those of torso and eyes are kept.
_LIMBS_39 = tuple(limb for limb in _LIMBS_44 if limb not in {(3, 4), (7, 8), (9, 10), (13, 14), (15, 16)})

# Chosen by label statistics (study limb_choice).
_LIMBS_19_CHOSEN = (
    (5, 6), (5, 7), (6, 8), (5, 9), (6, 10), (0, 1), (0, 2), (11, 13), (12, 14), (3, 5), (4, 6), (13, 15), (14,
    16), (5, 11), (6, 12), (1, 5), (2, 6), (9, 10), (13, 14),
)  # fmt: skip
_LIMBS_19_CHOSEN_SHORT = (
    (5, 6), (11, 12), (5, 7), (6, 8), (7, 9), (8, 10), (0, 1), (0, 2), (11, 13), (12, 14), (3, 5), (4, 6), (13,
    15), (14, 16), (7, 11), (8, 12), (9, 10), (1, 5), (2, 6),
)  # fmt: skip
_LIMBS_31_CHOSEN = (
    (5, 6), (11, 12), (5, 7), (6, 8), (0, 1), (0, 2), (11, 13), (12, 14), (3, 5), (4, 6), (13, 15), (14, 16), (5,
    11), (6, 12), (9, 10), (15, 16), (7, 9), (8, 10), (9, 13), (10, 14), (0, 9), (0, 10), (7, 11), (8, 12), (3,
    4), (5, 16), (6, 15), (1, 3), (2, 4), (1, 6), (2, 5),
)  # fmt: skip
_LIMBS_31_CHOSEN_SHORT = (
    (5, 6), (11, 12), (5, 7), (6, 8), (7, 9), (8, 10), (0, 1), (0, 2), (11, 13), (12, 14), (3, 5), (4, 6), (13,
    15), (14, 16), (1, 3), (2, 4), (9, 10), (0, 5), (0, 6), (15, 16), (1, 2), (0, 3), (0, 4), (13, 14), (3, 4),
    (1, 4), (2, 3), (5, 11), (6, 12), (9, 11), (10, 12),
)  # fmt: skip

_COCO_LIMBS: dict[str, tuple[tuple[int, int], ...]] = {
    "coco_16": _LIMBS_16,
    "coco_19": _LIMBS_19,
    "coco_31": _LIMBS_31,
    "coco_39": _LIMBS_39,
    "coco_44": _LIMBS_44,
    "coco_19_bidirectional": (*_LIMBS_19, *((end, start) for start, end in _LIMBS_19)),
    "coco_19_chosen": _LIMBS_19_CHOSEN,
    "coco_19_chosen_short": _LIMBS_19_CHOSEN_SHORT,
    "coco_31_chosen": _LIMBS_31_CHOSEN,
    "coco_31_chosen_short": _LIMBS_31_CHOSEN_SHORT,
}

_CROWDPOSE = Skeleton(
    name="crowdpose",
    keypoints=(
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
        "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "head", "neck",
    ),
    # The authors' limbs for this data set, which are those of PIFPAF: a tree, and limbs between shoulders and hips.
    limbs=(
        (12, 13), (13, 0), (13, 1), (0, 1), (6, 7), (0, 2), (2, 4), (1, 3), (3, 5), (0, 6), (1, 7), (6, 8), (8, 10),
        (7, 9), (9, 11),
    ),
    flip_pairs=tuple((left, left + 1) for left in range(0, 12, 2)),
    # From CrowdPose's evaluation program.
    oks_sigmas=(
        0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089, 0.079, 0.079,
    ),
)  # fmt: skip


def load_skeleton(name: str) -> Skeleton:
    """Return a named skeleton of the package.

    Args:
        name: ``coco_16``, ``coco_19`` (the paper's), ``coco_31``, ``coco_39``, ``coco_44``,
            ``coco_19_bidirectional`` (the 19 limbs in both directions), ``coco_19_chosen``,
            ``coco_19_chosen_short``, ``coco_31_chosen``, ``coco_31_chosen_short``, or ``crowdpose``.

    Raises:
        InputError: The name is unknown.
    """
    if name == _CROWDPOSE.name:
        return _CROWDPOSE
    if not isinstance(name, str) or name not in _COCO_LIMBS:
        raise InputError(f"skeleton: {name!r} is unknown; choose one of {', '.join((*_COCO_LIMBS, _CROWDPOSE.name))}")
    return Skeleton(name, _COCO_KEYPOINTS, _COCO_LIMBS[name], _COCO_FLIP_PAIRS, _COCO_OKS_SIGMAS)
