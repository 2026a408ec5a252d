"""Calls: of functions and classes, of the user's and of others'.

calls      all of them
inlining   the user's functions, translated in place
blocks     their early returns, as nested branches
methods    of built-in types
"""
