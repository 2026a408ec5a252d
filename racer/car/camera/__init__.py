"""Delivers camera frames and converts them to the view that a policy was trained with.

sources    protocol of a camera, and the cameras: Raspberry Pi, USB, recorded frames, simulator
capture    thread between a camera and the mailbox, and a test of a camera without driving
lens       warps the view of the real camera to that of the training
"""
