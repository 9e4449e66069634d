"""What any protocol has to say: the seam between adapters and everything else."""
