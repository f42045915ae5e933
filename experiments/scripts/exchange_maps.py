"""Groups keypoints with the candidates of one network and the offsets of another one: GOG and PersonLab.

    python experiments/scripts/exchange_maps.py GOG.ckpt PERSONLAB.ckpt ANNOTATIONS IMAGES [--limit N]

Both networks have the same trunk, input size and skeleton, as those of the study ``methods``. In all rows GOG's rules
group the candidates. The first row is ``method=gog``, the last one ``method=personlab_greedy``. The others show which
maps cause the difference between them. AP is on the images with people; the difference is to the first row.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product

import numpy as np
import torch

from gog_pose import PoseEstimator, Poses
from gog_pose.assembly.limbs import follow_offsets
from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.evaluation.coco import CocoKeypointEvaluator
from gog_pose.evaluation.comparison import compare
from gog_pose.evaluation.data_set import subsets
from gog_pose.imaging.reading import ImageLike
from gog_pose.maps.peaks import Peaks
from gog_pose.methods.gog.candidates import Candidates
from gog_pose.methods.personlab.refinement import refined

OFFSETS = ("GOG", "GOG, refined", "PersonLab, refined")
LONG_SIDE = 512  # px, as in the study


def rows(gog: PoseEstimator, personlab: PoseEstimator, image: ImageLike) -> Iterator[tuple[tuple[str, str], Poses]]:
    """Yield the people of an image, px, original image, for each pair of candidates and offsets."""
    prediction = gog.predict_with_maps([image])[0]
    offsets = prediction.maps.offsets
    of_personlab = personlab.predict_with_maps([image])[0].maps
    reader = personlab.decoder.read(*(field[0].float().numpy() for field in of_personlab))
    candidates = {
        "GOG": [np.asarray(field[0]) for field in gog.decoder.candidates(prediction.maps)[:2]],
        "PersonLab": personlab.decoder.candidates(reader),
    }
    for (owner, (xy, responses)), kind in product(candidates.items(), OFFSETS):
        if kind == "PersonLab, refined":
            ends = personlab.decoder.guides(reader, xy, responses)
        else:
            peaks = Peaks(torch.from_numpy(xy)[None], torch.from_numpy(responses)[None])
            ends = follow_offsets(peaks, offsets, gog.skeleton.limbs, gog.decoder.stride)[0]
            if kind == "GOG, refined":
                ends = moved(ends, of_personlab.short_offsets[0], gog, personlab.decoder.steps)
            ends = ends.numpy()
        (people,) = gog.decoder.group(Candidates(xy[None], responses[None], ends[None]))
        yield (owner, kind), people.transformed(np.linalg.inv(prediction.prepared.matrix))


def moved(ends: torch.Tensor, short_offsets: torch.Tensor, gog: PoseEstimator, steps: int) -> torch.Tensor:
    """Move the ``(L, n, 2)`` ends of offsets, px, by the ``(2K, h, w)`` short-range offsets of their types."""
    types = torch.tensor([end for _, end in gog.skeleton.limbs]).repeat_interleave(ends.shape[1])
    maps = short_offsets.float().reshape(-1, 2, *short_offsets.shape[1:])
    return refined(ends.reshape(-1, 2), maps, types, stride=gog.decoder.stride, steps=steps).reshape(ends.shape)


def main(options: argparse.Namespace) -> None:
    """Print the AP of each pair."""
    gog = PoseEstimator.from_checkpoint(options.gog, long_side=LONG_SIDE)
    personlab = PoseEstimator.from_checkpoint(options.personlab, long_side=LONG_SIDE, decoder={"rules": "greedy"})
    file = AnnotationFile.of(options.annotations)
    truth = CocoKeypointEvaluator(file, gog.skeleton)
    images = CocoKeypoints(file, options.images, gog.skeleton.num_keypoints)
    found: dict[tuple[str, str], dict[int, list[dict[str, object]]]] = {}
    for index in subsets(images)["people"][: options.limit].tolist():
        image_id = int(images.image_ids[index])
        for pair, poses in rows(gog, personlab, images.read_image(index)):
            found.setdefault(pair, {})[image_id] = poses.best(20).to_coco(image_id, truth.category_id)
    print(f"{'candidates':12}{'offsets':20}   AP     AP_M   AP_L   difference, 95 % interval")
    for pair, detections in found.items():
        metrics = truth.evaluate(detections)
        columns = "  ".join(f"{metrics[name]:.3f}" for name in ("AP", "AP_M", "AP_L"))
        gain = compare(file, detections, found["GOG", "GOG"], gog.skeleton)
        interval = "{difference:+.3f} ({low:+.3f} to {high:+.3f})".format(**gain)
        print(f"{pair[0]:12}{pair[1]:20}  {columns}  {interval}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gog", help="checkpoint with method=gog")
    parser.add_argument("personlab", help="checkpoint with method=personlab")
    parser.add_argument("annotations", help="COCO-format JSON")
    parser.add_argument("images", help="folder of the images")
    parser.add_argument("--limit", type=int, help="only the first N images")
    main(parser.parse_args())
