"""Pictures and pages about runs and rewards."""
