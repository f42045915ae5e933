"""Upper bounds: decoding of ground-truth maps, perfect or disturbed, and diagnosis of the remaining errors."""
