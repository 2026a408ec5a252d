"""What the translator knows of a value, of an object's contents, of a list's elements and of a number.

value    a number, a constant, an object, a function, or one of several
kinds    bool, int, float: kinds of numbers, and numbers as code
shapes   the elements of a list
heap     the contents of objects, and the state of a program point
"""
