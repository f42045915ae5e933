"""Maps to poses: peaks of the heatmaps, limbs scored along the guiding offsets, people grouped greedily."""
