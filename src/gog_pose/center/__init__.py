"""CenterNet's grouping, the paper's baseline, on the same network, data, training and evaluation (``grouping=center``).

"Objects as Points" (Zhou, Wang, Krähenbühl, 2019): a person is a peak at the centre of its box. Offsets lead from there
to all its keypoints; each then moves to the nearest peak of its type's heatmap, if that lies within the box.
"""
