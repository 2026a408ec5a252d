"""What drives: from frames to commands.

pilot       when to ask the network, what to send, when to stop; no waiting, no I/O
brain       from a frame to two pulses, and the thread for it
hand        a person's hand, and the pulses that it means
ready       everything that must be right before it starts
recording   between pilot and actuator, seen by the recorder
drives      which drive is recorded
process     the pilot as a process that obeys words
terminal    driving from a terminal
"""
