"""Images, videos and cameras as one stream of frames (``frames.py``), and the files of their overlays."""
