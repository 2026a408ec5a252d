"""Rows of numbers: arithmetic item by item, in the subset of Python that the translator covers; read by `library`, not imported."""

# ruff: noqa
# mypy: ignore-errors


def mapped(function, items):
    return as_array([function(item) for item in items])


def mapped_two(function, one, two):
    if len(one) != len(two):
        raise ValueError
    return as_array([function(one[k], two[k]) for k in range(len(one))])


def mapped_left(function, one, two):
    return as_array([function(item, two) for item in one])


def mapped_right(function, one, two):
    return as_array([function(one, item) for item in two])


def rows_add(one, two):
    return mapped_two(lambda a, b: a + b, one, two)


def row_left_add(one, two):
    return as_array([item + two for item in one])


def row_right_add(one, two):
    return as_array([one + item for item in two])


def rows_subtract(one, two):
    return mapped_two(lambda a, b: a - b, one, two)


def row_left_subtract(one, two):
    return as_array([item - two for item in one])


def row_right_subtract(one, two):
    return as_array([one - item for item in two])


def rows_multiply(one, two):
    return mapped_two(lambda a, b: a * b, one, two)


def row_left_multiply(one, two):
    return as_array([item * two for item in one])


def row_right_multiply(one, two):
    return as_array([one * item for item in two])


def rows_divide(one, two):
    return mapped_two(lambda a, b: a / b, one, two)


def row_left_divide(one, two):
    return as_array([item / two for item in one])


def row_right_divide(one, two):
    return as_array([one / item for item in two])


def rows_power(one, two):
    return mapped_two(lambda a, b: a**b, one, two)


def row_left_power(one, two):
    return as_array([item**two for item in one])


def row_right_power(one, two):
    return as_array([one**item for item in two])


def matrix_minus_row(rows, row):
    return as_array([row_difference(r, row) for r in rows])


def row_difference(one, two):
    return one - two


def differences(items):
    return as_array([items[k + 1] - items[k] for k in range(len(items) - 1)])


def cumulated(items):
    out = []
    result = 0.0
    for item in items:
        result += item
        out.append(result)
    return as_array(out)


def spaced(start, stop, count):
    if count < 2:
        raise ValueError
    step = (stop - start) / (count - 1)
    out = [start + k * step for k in range(count)]
    out[count - 1] = stop
    return as_array(out)
