"""Functions of Python and numpy over sequences, in the subset of Python that the translator covers.

`stdlib` parses this file and the translator writes its functions in place; nothing imports it. Built-in handlers call
them by name. A trap leaves the call to plain Python, so `raise ValueError` means "Python raises here, or its result is
one that is not computed here", and an index out of range needs no check.

The four parts: lists (join, search, change), order (sort, least, greatest), rows of numbers (item by item), and one
number from many or from a few.
"""

# ruff: noqa
# mypy: ignore-errors

import math


# Lists: joining, searching and changing them.


def concatenated(left, right):
    """Return `left + right` of lists."""
    out = [item for item in left]
    extend(out, right)
    return out


def concatenated_tuple(left, right):
    """Return `left + right` of tuples."""
    return as_tuple(concatenated(left, right))


def as_list(items):
    """Return `list(items)`."""
    return [item for item in items]


def repeated(items, times):
    """Return `items * times`."""
    out = []
    for _ in range(times):
        extend(out, items)
    return out


def those_for_which(function, items):
    """Return `filter(function, items)` as a list."""
    return [item for item in items if function(item)]


def extend(target, items):
    """Execute `target.extend(items)`."""
    for item in items:
        target.append(item)


def column(rows, index):
    """Return `rows[:, index]`."""
    return as_array([row[index] for row in rows])


def equal_lists(left, right):
    """Return `left == right` of lists."""
    if len(left) != len(right):
        return False
    for k in range(len(left)):
        if left[k] != right[k]:
            return False
    return True


def contains(items, value):
    """Return `value in items`."""
    for item in items:
        if item == value:
            return True
    return False


def index_of(items, value):
    """Return `items.index(value)`."""
    k = 0
    for item in items:
        if item == value:
            return k
        k += 1
    raise ValueError


def count_of(items, value):
    """Return `items.count(value)`."""
    count = 0
    for item in items:
        if item == value:
            count += 1
    return count


def pop_at(items, index):
    """Execute `items.pop(index)`."""
    # Read with the index as it was given, which is checked: counted from the start, -n - 1 would become -1 and pass.
    value = items[index]
    n = len(items)
    at = index + n if index < 0 else index
    # The items behind it move one place forward; the last place is then free.
    for k in range(at, n - 1):
        items[k] = items[k + 1]
    items.pop()
    return value


def insert(items, index, value):
    """Execute `items.insert(index, value)`."""
    n = len(items)
    # Python takes an index outside the list for its nearest end.
    at = max(0, index + n) if index < 0 else min(index, n)
    # The list grows by one; the items behind the new one move one place back.
    items.append(value)
    k = n
    while k > at:
        items[k] = items[k - 1]
        k -= 1
    items[at] = value


def remove(items, value):
    """Execute `items.remove(value)`."""
    pop_at(items, index_of(items, value))


def reverse(items):
    """Execute `items.reverse()`."""
    n = len(items)
    for k in range(n // 2):
        other = items[n - 1 - k]
        items[n - 1 - k] = items[k]
        items[k] = other


def any_of(items):
    """Return `any(items)`."""
    for item in items:
        if item:
            return True
    return False


def all_of(items):
    """Return `all(items)`."""
    for item in items:
        if not item:
            return False
    return True


def first_index(items, is_below):
    """Return the number of items at the start of a sorted list for which `is_below(item)` holds."""
    low = 0
    high = len(items)
    # Invariant: `is_below` holds for items[:low] and does not hold for items[high:].
    while low < high:
        middle = (low + high) // 2
        if is_below(items[middle]):
            low = middle + 1
        else:
            high = middle
    return low


def bisect_left(items, x):
    """Return `bisect.bisect_left(items, x)`."""
    return first_index(items, lambda item: item < x)


def bisect_right(items, x):
    """Return `bisect.bisect_right(items, x)`."""
    return first_index(items, lambda item: not x < item)


# Order. `before(a, b)` is `a < b`, or `a > b` for a descending order and for the greatest item.
# Insertion sort is stable, as Python's is, and fast on lists of about ten items.
# A NaN raises: where it ends up depends on the order of the comparisons, which differs from Python's.


def sorted_list(items, before):
    """Return `sorted(items)`."""
    out = [item for item in items]
    for k in range(1, len(out)):
        value = out[k]
        j = k
        while j > 0 and before(value, out[j - 1]):
            out[j] = out[j - 1]
            j -= 1
        out[j] = value
    for value in out:
        if value != value:
            raise ValueError
    return out


def sorted_by(items, before, key):
    """Return `sorted(items, key=key)`."""
    out = [item for item in items]
    keys = [key(item) for item in items]
    for k in range(1, len(out)):
        value = out[k]
        rank = keys[k]
        j = k
        while j > 0 and before(rank, keys[j - 1]):
            out[j] = out[j - 1]
            keys[j] = keys[j - 1]
            j -= 1
        out[j] = value
        keys[j] = rank
    for rank in keys:
        if rank != rank:
            raise ValueError
    return out


def argsort(items):
    """Return `numpy.argsort(items, kind='stable')`."""
    return as_array(sorted_by(range(len(items)), lambda a, b: a < b, lambda k: items[k]))


def extreme(items, before):
    """Return `min(items)` or `max(items)`."""
    best = items[0]
    for item in items:
        if before(item, best):
            best = item
    return best


def extreme_by(items, before, key):
    """Return `min(items, key=key)` or `max(items, key=key)`."""
    best = items[0]
    best_rank = key(best)
    for item in items:
        rank = key(item)
        if before(rank, best_rank):
            best = item
            best_rank = rank
    return best


def index_of_extreme(items, before):
    """Return `numpy.argmin(items)` or `numpy.argmax(items)`."""
    at = 0
    best = items[0]
    for k in range(len(items)):
        item = items[k]
        if item != item:
            raise ValueError
        if before(item, best):
            best = item
            at = k
    return at


# Rows of numbers: functions and operators of numpy, item by item. A table is a row whose items are rows.


def mapped(function, items):
    """Return an array of `function(item)`."""
    return as_array([function(item) for item in items])


def mapped_two(function, left, right):
    """Return an array of `function(a, b)` of the items of two rows."""
    if len(left) != len(right):
        raise ValueError
    return as_array([function(left[k], right[k]) for k in range(len(left))])


def mapped_left(function, left, right):
    """Return an array of `function(item, right)`."""
    return as_array([function(item, right) for item in left])


def mapped_right(function, left, right):
    """Return an array of `function(left, item)`."""
    return as_array([function(left, item) for item in right])


def differences(items):
    """Return `numpy.diff(items)`."""
    return as_array([items[k + 1] - items[k] for k in range(len(items) - 1)])


def cumulated(items):
    """Return `numpy.cumsum(items)`."""
    out = []
    result = 0.0
    for item in items:
        result += item
        out.append(result)
    return as_array(out)


def spaced(start, stop, count):
    """Return `numpy.linspace(start, stop, count)`."""
    if count < 2:
        raise ValueError
    step = (stop - start) / (count - 1)
    out = [start + k * step for k in range(count)]
    # The rounded product may miss the end, which numpy sets too.
    out[count - 1] = stop
    return as_array(out)


# One number from many, or from a few.


def total(items, start):
    """Return `sum(items, start)`."""
    result = start
    for item in items:
        result = result + item
    return result


def product(items, start):
    """Return `math.prod(items, start=start)`."""
    result = start
    for item in items:
        result = result * item
    return result


def mean(items):
    """Return `numpy.mean(items)`."""
    return as_numpy(total(items, 0.0) / len(items))


def fmean(items):
    """Return `statistics.mean(items)`."""
    return total(items, 0.0) / len(items)


def variance(items):
    """Return `numpy.var(items)`."""
    middle = total(items, 0.0) / len(items)
    result = 0.0
    for item in items:
        result += (item - middle) * (item - middle)
    return as_numpy(result / len(items))


def deviation(items):
    """Return `numpy.std(items)`."""
    return as_numpy(math.sqrt(variance(items)))


def median(items):
    """Return `numpy.median(items)`."""
    out = sorted_list(items, lambda a, b: a < b)
    n = len(out)
    if n % 2 == 1:
        return as_numpy(float(out[n // 2]))
    return as_numpy((out[n // 2 - 1] + out[n // 2]) / 2.0)


def norm(items):
    """Return `numpy.linalg.norm(items)`."""
    return as_numpy(math.sqrt(dot(items, items)))


def norms(rows):
    """Return `numpy.linalg.norm(rows, axis=1)`."""
    return as_array([norm(row) for row in rows])


def dot(left, right):
    """Return `numpy.dot(left, right)` of rows."""
    if len(left) != len(right):
        raise ValueError
    result = 0.0
    for k in range(len(left)):
        result += left[k] * right[k]
    return as_numpy(result)


def cross(left, right):
    """Return `numpy.cross(one, two)` of two-dimensional vectors."""
    return as_numpy(left[0] * right[1] - left[1] * right[0])


def distance(left, right):
    """Return `math.dist(left, right)`."""
    if len(left) != len(right):
        raise ValueError
    result = 0.0
    for k in range(len(left)):
        result += (left[k] - right[k]) * (left[k] - right[k])
    return math.sqrt(result)


def interp(x, xs, ys):
    """Return `numpy.interp(x, xs, ys)` of one number."""
    n = len(xs)
    if n != len(ys) or n == 0 or x != x:
        raise ValueError
    if x > xs[n - 1]:
        return as_numpy(float(ys[n - 1]))
    if x < xs[0]:
        return as_numpy(float(ys[0]))
    low = 0
    high = n - 1
    # xs[low] <= x <= xs[high]
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
    """Return `round(x, digits)`."""
    # y + e is the product x * 10**digits without rounding (Dekker 1971: 134217729 = 2**27 + 1 splits a float into
    # two halves whose products are exact), so that ties are found as ties; from 2**52 on y has no fraction.
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
    # side is the distance of the fraction to a half; a tie goes to the even neighbour.
    if side > 0.0:
        base += 1.0
    elif side == 0.0 and base % 2.0 == 1.0:
        base += 1.0
    result = base / p
    if result == 0.0:
        return math.copysign(0.0, x)
    return result


def is_close(a, b, relative, absolute):
    """Return `math.isclose(a, b, rel_tol=relative, abs_tol=absolute)`."""
    if relative < 0.0 or absolute < 0.0:
        raise ValueError
    if a == b:
        return True
    if not abs(a) < math.inf or not abs(b) < math.inf:
        return False
    return abs(a - b) <= max(relative * max(abs(a), abs(b)), absolute)


def is_close_numpy(a, b, relative, absolute):
    """Return `numpy.isclose(a, b, rtol=relative, atol=absolute)`."""
    if not abs(a) < math.inf or not abs(b) < math.inf:
        raise ValueError
    return abs(a - b) <= absolute + relative * abs(b)


def sign(x):
    """Return `numpy.sign(x)`."""
    if x != x:
        raise ValueError
    if x > 0:
        return 1.0
    if x < 0:
        return -1.0
    return 0.0


def gcd(a, b):
    """Return `math.gcd(a, b)`."""
    a = abs(a)
    b = abs(b)
    while b:
        a, b = b, a % b
    return a
