"""What runs on the car. Nothing is imported here: the actuator must start with the standard library alone.

From the top down; each imports from those below it alone, and an import contract holds it:

    console       the car's own web page
    pilot         from frames to commands: the process that drives
    link          the seam between pilot and console, and the pilot's process behind it
    bench         how fast networks are on this machine
    camera        where frames come from, and the lens
    drives        recorded drives: written, read, summed up
    store         the bundles on the car: signed, checked, installed
    checks        what can be wrong while driving, each with the class of its fault
    gate          from an action to pulses, or a refusal
    mailbox       a frame, and the place where the newest waits
    timing        percentiles and counts of the loop's times
    calibration   what this car's pulses do, and the wizard that asks for it
    units         the systemd units
    actuator      the tiny program that alone owns the servo bus
"""
