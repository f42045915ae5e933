"""Metrics beyond COCO's: AP, PCK and error per keypoint type; precision, recall and F1 per score threshold."""
