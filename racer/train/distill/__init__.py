"""Distillation: a student that sees only the camera imitates a teacher that reads the simulator's state (DAgger).

`session` runs the rounds, `teacher` and `student` are the two policies, `frames` keeps the pictures.
"""
