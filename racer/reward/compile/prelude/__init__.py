"""Functions of Python and numpy over sequences, in the subset of Python that the translator covers.

functions                      reads the others and gives their functions to the translator
lists, orders, rows, numbers   the functions; they are parsed, never imported
"""
