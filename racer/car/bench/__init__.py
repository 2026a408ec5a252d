"""How fast a bundle's network is on this machine.

network     a bundle's network, on as many threads as are told
speed       its times and its golden answers
choice      what was chosen here, kept for the drive and the console
"""
