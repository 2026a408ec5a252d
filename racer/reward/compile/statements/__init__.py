"""What each kind of statement means, and comprehensions, which are loops with an assignment.

assignments      `=`, `+=`, `del`
branches         `if`, `return`, and statements that only compute
loops            `while`, `for`, `break`, `continue`
comprehensions   list comprehensions and generator expressions
errors           `try`, `raise`, `assert`
definitions      `def`, `class` and `import` inside functions
"""
