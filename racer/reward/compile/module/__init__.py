"""The user's module as it was run: what its names mean.

rules           what a file must not use
scopes          the names of a function's body
world           the module's real objects, as values of the translator
tables          numbers and tables of numbers in them
known_natives   functions of Python, math and numpy in them, by identity
"""
