"""Arrays on a grid of cells, for every method: fields, targets as marks, peaks and positions between cells."""
