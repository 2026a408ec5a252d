"""Everything that runs on the car: camera frames come in, servo pulses go out, and a web page shows and commands both.

Nothing is imported here: the actuator must start with the standard library alone. Each room imports only the rooms
below it, and an import contract checks that:

    console       the car's web page
    pilot         the process that drives: from frames to commands
    bench, link   speed of networks on this machine; protocol between pilot and console, and the pilot's process
    camera, recording, models     frames and lens; recorded drives; installed bundles
    faults        what can be wrong while driving, each with the class of its fault
    gate, mailbox, timing         from an action to pulses; the newest frame; times of the pilot's loop
    calibration, units            pulses of this car, and the wizard; texts of the systemd units
    actuator      the small program that alone writes the servo bus
"""
