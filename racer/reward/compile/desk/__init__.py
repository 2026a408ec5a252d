"""What lies before the translator: the code written so far, names, objects and memory.

lines      lines of written code
desk       all of it
names      which variable a name means
elements   values as elements of lists
"""
