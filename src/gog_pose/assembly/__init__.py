"""Grouping of candidates into people, shared by methods: limbs, greedy grouping, joining of fragments, completion."""
