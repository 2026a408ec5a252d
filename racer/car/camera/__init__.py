"""Where frames come from, and what a policy gets to see of them.

source      what every camera is: the seam that it fills
picamera2, v4l2, replay, sim    the cameras: the Pi's own, USB, recorded frames, the simulator
opening     which camera to open, in words
capture     the thread between a camera and the mailbox
look        a look at a camera without driving
lens        from the real camera's view to the one that a policy was trained with
"""
