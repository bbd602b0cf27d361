"""Job arrays of SLURM as a crew: orders in a folder, taken by the tasks of an array."""
