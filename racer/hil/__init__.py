"""The simulator in front of the real car software: pulses off a simulated chip, frames of a simulated road."""
