"""Disturbances: how a world differs from what a policy would like it to be. What an episode draws by chance is in
`racer.sim.episode`.

disturb           a world's disturbances, and what they do to its cars
delivery, past    frames that arrive late or not at all, and the past that they show
camera            a camera's mount, lens and pixels
effects           what an episode does to a camera's frames, ready for the passes over the pixels
image             the passes: blur, light, noise, tone
crowd, jpeg       things above the horizon; what compression leaves
"""
