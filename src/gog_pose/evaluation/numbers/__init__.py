"""Numbers beside COCO's: AP, PCK and error per keypoint type; precision, recall and F1 over the score threshold."""
