"""The upper bound: ground-truth maps, perfect or disturbed, replace a network's; and a diagnosis of the losses."""
