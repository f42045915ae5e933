"""Which errors keep the AP of detections from 1, and what repairing them gains."""
