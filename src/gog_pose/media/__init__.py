"""Images, videos and cameras as one stream of frames (``stream.py``), and writing of overlay files."""
