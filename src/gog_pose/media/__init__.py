"""Images, videos and cameras as one stream of frames (``stream.py``), and the files of their overlays."""
