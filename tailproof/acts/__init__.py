"""What users and operators do while a trial runs: acts. They land at points, as faults do, and are no fault."""
