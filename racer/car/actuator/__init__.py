"""Actuator process: a small program that alone writes the servo bus and stops the car if the pilot fails.

Commands of a pilot [µs] and requests of an operator come in over a Unix socket; pulses go to the bus, statuses go back.
This package imports only the standard library and smbus2 (a test and an import contract enforce it), so it has no lazy
attributes: import its modules directly.

    limits              safety limits, none of them configurable
    states              states, requests, stop reasons, commands
    state_machine       decides every pulse: events and times in, pulses out; no I/O
    protocol            messages between pilot and actuator, fixed in size and versioned
    calibrated_range    range and wiring from a calibration file, checked separately
    drivers             protocol of a driver, retries, and the drivers PCA9685 and sysfs PWM
    sim_chip            simulated chip that outlives its process
    log                 log lines
    server              connections: one pilot, a few watchers
    process             the loop, its signals and systemd's notifications
    client              client side of the socket
    failsafe            neutral, then off: what systemd runs after the process ended
"""
