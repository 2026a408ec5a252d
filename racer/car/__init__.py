"""What runs on the car. Nothing is imported here: the actuator must start with the standard library alone."""
