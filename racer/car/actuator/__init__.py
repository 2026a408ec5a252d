"""The actuator process: a tiny program that alone owns the servo bus and stops the car when anything above it dies.

Only the standard library and smbus2 are imported in this package (a test and an import contract hold it).

    limits      every number that makes the car safe, none of them configurable
    words       states, requests, reasons, commands
    machine     the state machine: events and times in, pulses out; no I/O
    protocol    messages between pilot and actuator, fixed in size and versioned
    trim        what the actuator itself takes from a calibration file, checked on its own
    bus         a driver's duties, and retries
    pca9685, sysfs_pwm, sim_chip    the drivers, and a simulated chip that outlives its process
    wiring      where the outputs are, and which driver to open
    journal     its log
    notify      systemd's notification socket
    server      connections: one pilot, some watchers
    process     the loop, its signals and its last resort
    client      the other side of the socket
    neutral     what systemd runs after the process is gone
"""
