"""Inspection of a COCO-format data set before it is trained on.

- ``run``: inspects the splits of a data set (``inspect``).
- ``split``: puts the checks of one split together.
- ``findings``: kinds of errors and warnings.
- ``annotations``: checks the JSON file.
- ``files``: checks the image files.
- ``statistics``: counts people, keypoints and scales.
- ``preview``: shows what a network would be taught.

The rules are the reader's own (``gog_pose.data.rules``, ``gog_pose.imaging.reading``): what the reader refuses is an
error here, but the inspection continues and reports all errors.
"""
