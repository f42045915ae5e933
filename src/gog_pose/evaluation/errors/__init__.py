"""Analysis of the errors that keep AP below 1, and the AP gained by repairing each kind."""
