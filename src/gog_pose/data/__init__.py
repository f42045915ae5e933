"""COCO-format data sets: reading, augmentation, batches, checks, import and synthesis.

- ``annotation_file``, ``rules``, ``outlines``, ``annotations``: reading of annotations (``CocoKeypoints``).
- ``augmentation``: warps and color changes (``Augmentation``, ``NoAugmentation``).
- ``sampler``, ``samples``: order of crops (``CropSampler``), samples (``TrainingCrops``, ``WholeImages``).
- ``layout``, ``loader``, ``datamodule``: paths, loading processes and the data module (``PoseDataModule``).
- ``inspection``, ``importing``, ``synthetic``: checks of a data set, import of other formats, synthetic data sets.

Import from these modules directly, so that drawing synthetic people, for example, does not load Lightning.
"""
