"""Looks a COCO-format data set through before it is trained on.

- ``findings``: what can be wrong with it, and how bad that is.
- ``annotations``: checks the JSON file.
- ``files``: checks the image files.
- ``statistics``: counts people, keypoints and scales.
- ``preview``: shows what a network would be taught.
- ``split``: puts the checks of a split together.

The rules are the reader's own (``gog_pose.data.coco``, ``gog_pose.images``): what it refuses is an error here, but the
inspection goes on past it and names all of them.
"""
