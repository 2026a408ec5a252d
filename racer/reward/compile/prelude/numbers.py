"""One number from many, or from a few, in the subset of Python that the translator covers; read by `library`, not imported."""

# ruff: noqa
# mypy: ignore-errors

import math


def total(items, start):
    result = start
    for item in items:
        result = result + item
    return result


def product(items, start):
    result = start
    for item in items:
        result = result * item
    return result


def mean(items):
    return as_numpy(total(items, 0.0) / len(items))


def fmean(items):
    return total(items, 0.0) / len(items)


def variance(items):
    middle = total(items, 0.0) / len(items)
    result = 0.0
    for item in items:
        result += (item - middle) * (item - middle)
    return as_numpy(result / len(items))


def deviation(items):
    return as_numpy(math.sqrt(variance(items)))


def median(items):
    out = sorted_list(items)
    n = len(out)
    if n % 2 == 1:
        return as_numpy(float(out[n // 2]))
    return as_numpy((out[n // 2 - 1] + out[n // 2]) / 2.0)


def norm(items):
    result = 0.0
    for item in items:
        result += item * item
    return as_numpy(math.sqrt(result))


def norms(rows):
    return as_array([norm(row) for row in rows])


def dot(one, two):
    if len(one) != len(two):
        raise ValueError
    result = 0.0
    for k in range(len(one)):
        result += one[k] * two[k]
    return as_numpy(result)


def cross(one, two):
    return as_numpy(one[0] * two[1] - one[1] * two[0])


def distance(one, two):
    if len(one) != len(two):
        raise ValueError
    result = 0.0
    for k in range(len(one)):
        result += (one[k] - two[k]) * (one[k] - two[k])
    return math.sqrt(result)


def interp(x, xs, ys):
    n = len(xs)
    if n != len(ys) or n == 0 or x != x:
        raise ValueError
    if x > xs[n - 1]:
        return as_numpy(float(ys[n - 1]))
    if x < xs[0]:
        return as_numpy(float(ys[0]))
    low = 0
    high = n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= x:
            low = middle
        else:
            high = middle
    if x == xs[high]:
        return as_numpy(float(ys[high]))
    if x == xs[low]:
        return as_numpy(float(ys[low]))
    slope = (ys[high] - ys[low]) / (xs[high] - xs[low])
    return as_numpy(slope * (x - xs[low]) + ys[low])


def round_to(x, digits):
    # Exact: y + e is the product x * 10**digits without rounding (Dekker 1971), so ties are ties.
    p = 10.0**digits
    y = x * p
    if not abs(y) < 4503599627370496.0:
        raise ValueError
    a = 134217729.0 * x
    high = a - (a - x)
    low = x - high
    b = 134217729.0 * p
    top = b - (b - p)
    end = p - top
    e = ((high * top - y) + high * end + low * top) + low * end
    base = float(math.floor(y))
    side = (y - base) - 0.5 + e
    if side > 0.0:
        base += 1.0
    elif side == 0.0 and base % 2.0 == 1.0:
        base += 1.0
    result = base / p
    if result == 0.0:
        return math.copysign(0.0, x)
    return result


def is_close(a, b, relative, absolute):
    if relative < 0.0 or absolute < 0.0:
        raise ValueError
    if a == b:
        return True
    if not abs(a) < math.inf or not abs(b) < math.inf:
        return False
    return abs(a - b) <= max(relative * max(abs(a), abs(b)), absolute)


def is_close_numpy(a, b, relative, absolute):
    if not abs(a) < math.inf or not abs(b) < math.inf:
        raise ValueError
    return abs(a - b) <= absolute + relative * abs(b)


def sign(x):
    if x != x:
        raise ValueError
    if x > 0:
        return 1.0
    if x < 0:
        return -1.0
    return 0.0


def gcd(a, b):
    a = abs(a)
    b = abs(b)
    while b:
        rest = a % b
        a = b
        b = rest
    return a
