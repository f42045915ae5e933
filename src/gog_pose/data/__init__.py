"""COCO-format people in, training batches out.

- ``coco``: reads annotations (``CocoKeypoints``).
- ``augmentation``: warps and colors (``Augmentation``, ``NoAugmentation``).
- ``sampler``: says which crops are drawn when (``CropSampler``).
- ``dataset``: makes samples (``TrainingCrops``, ``WholeImages``).
- ``datamodule``: hands them to Lightning (``PoseDataModule``).
- ``synthetic``: draws a data set where there is none.

Import from the modules: drawing synthetic people, say, should not have to load Lightning first.
"""
