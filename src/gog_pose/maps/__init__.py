"""Arrays on a grid of cells, without any method: fields, targets as marks, peaks and places between cells."""
