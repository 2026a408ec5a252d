"""Functions of Python, `math`, numpy and others that the translator knows.

table                           all of them, by their dotted names
handlers                        what they have in common
numbers, conversions, extremes  of numbers
lists, arrays, rows             of lists and of numpy's arrays
objects, texts                  that ask what a value is, or make text
"""
