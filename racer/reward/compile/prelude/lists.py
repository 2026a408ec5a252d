"""Lists: joining, searching and changing them, in the subset of Python that the translator covers; read by `library`, not imported."""

# ruff: noqa
# mypy: ignore-errors


def concatenated(one, two):
    out = []
    for item in one:
        out.append(item)
    for item in two:
        out.append(item)
    return out


def concatenated_tuple(one, two):
    return as_tuple(concatenated(one, two))


def as_list(items):
    return [item for item in items]


def repeated(items, times):
    out = []
    for _ in range(times):
        for item in items:
            out.append(item)
    return out


def those_for_which(function, items):
    return [item for item in items if function(item)]


def those_true(items):
    return [item for item in items if item]


def extend(target, items):
    for item in items:
        target.append(item)


def column(rows, index):
    return as_array([row[index] for row in rows])


def equal_lists(one, two):
    if len(one) != len(two):
        return False
    for k in range(len(one)):
        if one[k] != two[k]:
            return False
    return True


def contains(items, value):
    for item in items:
        if item == value:
            return True
    return False


def index_of(items, value):
    k = 0
    for item in items:
        if item == value:
            return k
        k += 1
    raise ValueError


def count_of(items, value):
    found = 0
    for item in items:
        if item == value:
            found += 1
    return found


def pop_at(items, index):
    n = len(items)
    at = index + n if index < 0 else index
    value = items[at]
    for k in range(at, n - 1):
        items[k] = items[k + 1]
    items.pop()
    return value


def insert(items, index, value):
    n = len(items)
    at = max(0, index + n) if index < 0 else min(index, n)
    items.append(value)
    k = n
    while k > at:
        items[k] = items[k - 1]
        k -= 1
    items[at] = value


def remove(items, value):
    pop_at(items, index_of(items, value))


def reversed_list(items):
    n = len(items)
    return [items[n - 1 - k] for k in range(n)]


def reverse(items):
    n = len(items)
    for k in range(n // 2):
        other = items[n - 1 - k]
        items[n - 1 - k] = items[k]
        items[k] = other


def any_of(items):
    for item in items:
        if item:
            return True
    return False


def all_of(items):
    for item in items:
        if not item:
            return False
    return True


def bisect_left(items, x):
    low = 0
    high = len(items)
    while low < high:
        middle = (low + high) // 2
        if items[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


def bisect_right(items, x):
    low = 0
    high = len(items)
    while low < high:
        middle = (low + high) // 2
        if x < items[middle]:
            high = middle
        else:
            low = middle + 1
    return low
