"""Maps to poses: peaks of the heatmaps, limbs scored along the guiding offsets, people grouped greedily.

For users:

- ``GogDecoder(skeleton, stride=4, topk=32)``: ``PoseMaps`` of a batch in, one ``Poses`` an image out.
- ``OfficialDecoder(skeleton, stride=4, topk=32)``: the same by the rules of the authors' public program.
- ``describe_decoder``, ``build_decoder`` and ``change_decoder``: a decoder to plain values and back.
- ``flip_maps`` and ``merge_flipped``: the flip test, on maps.

The decoder is a chain of functions that work alone, too: ``find_peaks``, ``follow_offsets``, ``score_limbs``,
``merge_directions``, ``add_support``, ``group_limbs``, ``join_fragments``, ``infer_missing``, ``assemble_poses``.
"""

from gog_pose.decoding.completion import infer_missing
from gog_pose.decoding.decoder import GogDecoder
from gog_pose.decoding.flip import flip_maps, merge_flipped
from gog_pose.decoding.grouping import assemble_poses, group_limbs
from gog_pose.decoding.joining import join_fragments
from gog_pose.decoding.kinds import build_decoder, change_decoder, describe_decoder
from gog_pose.decoding.limbs import Limbs, follow_offsets, merge_directions, score_limbs
from gog_pose.decoding.official import OfficialDecoder
from gog_pose.decoding.peaks import Peaks, find_peaks
from gog_pose.decoding.support import add_support
from gog_pose.interfaces import Decoder
from gog_pose.records import PoseMaps

__all__ = [
    "Decoder",
    "GogDecoder",
    "Limbs",
    "OfficialDecoder",
    "Peaks",
    "PoseMaps",
    "add_support",
    "assemble_poses",
    "build_decoder",
    "change_decoder",
    "describe_decoder",
    "find_peaks",
    "flip_maps",
    "follow_offsets",
    "group_limbs",
    "infer_missing",
    "join_fragments",
    "merge_directions",
    "merge_flipped",
    "score_limbs",
]
