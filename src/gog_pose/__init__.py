"""gog_pose: bottom-up multi-person pose estimation by greedy offset-guided keypoint grouping (GOG).

Heatmaps say where keypoints are, guiding offsets say which keypoint of the same person comes next, a greedy pass joins
them. For users:

- ``PoseEstimator``: image in, ``Poses`` out.
- ``gog_pose.skeleton``: what a person is made of.
- ``gog_pose.encoding`` and ``gog_pose.decoding``: poses to maps and back.
- ``gog_pose.data``, ``gog_pose.models``, ``gog_pose.losses``, ``gog_pose.module``: training.
"""
