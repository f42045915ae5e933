"""Import of annotations that other programs exported: ``run.import_data`` writes a COCO-format folder.

- ``yolo``, ``roboflow``, ``coco``, ``cvat``, ``label_studio``, ``labelme``, ``mpii``: one format each, read into
  the records of ``record``.
- ``reading``: untrusted files; ``grouping``: points to people.
- ``skeletons``: limbs, flip pairs and OKS sigmas; ``known`` and ``mirroring``: what names say.
- ``writing``: images, annotations, skeleton and data YAML, report.
"""
