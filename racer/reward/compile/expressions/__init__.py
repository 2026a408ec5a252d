"""What each kind of expression means; calls are in `calls`, comprehensions among the statements.

names         constants, names, attributes, lambdas
operators     `+`, `and`, `not`, `a if b else c`
comparisons   `<`, chained ones too
displays      lists, tuples, sets, dicts and f-strings as they are written out
subscripts    `a[b]`
"""
