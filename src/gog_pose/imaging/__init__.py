"""Image processing: reading image files, preprocessing, and fitting images into network inputs."""
