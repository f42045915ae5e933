"""Inspection of a COCO-format data set before training.

- ``run``: inspection of the splits of a data set (``inspect``).
- ``split``: all checks of one split.
- ``findings``: kinds of errors and warnings.
- ``annotations``, ``suspicions``: checks of the JSON file, by entry and over all people.
- ``files``: checks of the image files.
- ``statistics``: numbers of people and keypoints, scales.
- ``preview``: pictures of training and validation samples.

The rules are those of the reader (``gog_pose.data.rules``, ``gog_pose.imaging.reading``). The reader stops at the first
violation; the inspection continues and reports all of them as errors.
"""
