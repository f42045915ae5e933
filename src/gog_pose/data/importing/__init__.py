"""Import of annotations from other programs: ``run.import_data`` writes a COCO-format folder.

- ``yolo``, ``roboflow``, ``coco``, ``cvat``, ``label_studio``, ``labelme``, ``mpii``: readers of one format each, which
  return the records of ``record``.
- ``reading``: reading of untrusted files; ``grouping``: grouping of points into people.
- ``skeletons``: limbs, flip pairs and OKS sigmas; ``known`` and ``mirroring``: known names and their sides.
- ``writing``: images, annotations, skeleton and data YAML, report.
"""
