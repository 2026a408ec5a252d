"""The first use of a reward: translated, compiled and compared with plain Python, in a process of its own.

trial     both processes' parts, and the verdict
samples   the states that both paths are compared on
compare   both paths side by side
"""
