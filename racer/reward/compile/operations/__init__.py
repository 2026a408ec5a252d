"""Operations on values, whatever syntax or function asks for them.

coerce                       what an expression asks of a value: that it is there, is a number, an index, true
arithmetic, array_operators  operators
equality, membership         `==`, `is`, `in`
sequences, sequence_*        lists, tuples, arrays: items, slices, changes, and where they lie
iteration                    one round for each item of anything
strings, objects             strings; functions, classes and instances
"""
