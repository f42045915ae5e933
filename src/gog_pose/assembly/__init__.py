"""From candidates to people: limbs, greedy grouping, joining of fragments, completion; shared by methods."""
