"""The commands: one thin file each, a Hydra application over ``conf/<name>.yaml``."""
