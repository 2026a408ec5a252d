"""Order: sorting, and the least and the greatest, in the subset of Python that the translator covers; read by `library`, not imported."""

# ruff: noqa
# mypy: ignore-errors


def sort_numbers(items):
    for k in range(1, len(items)):
        value = items[k]
        j = k
        while j > 0 and value < items[j - 1]:
            items[j] = items[j - 1]
            j -= 1
        items[j] = value
    for value in items:
        if value != value:
            raise ValueError


def sort_down(items):
    for k in range(1, len(items)):
        value = items[k]
        j = k
        while j > 0 and items[j - 1] < value:
            items[j] = items[j - 1]
            j -= 1
        items[j] = value
    for value in items:
        if value != value:
            raise ValueError


def sorted_list(items):
    out = [item for item in items]
    sort_numbers(out)
    return out


def sorted_down(items):
    out = [item for item in items]
    sort_down(out)
    return out


def sorted_by(items, key):
    out = [item for item in items]
    keys = [key(item) for item in items]
    for k in range(1, len(out)):
        value = out[k]
        rank = keys[k]
        j = k
        while j > 0 and rank < keys[j - 1]:
            out[j] = out[j - 1]
            keys[j] = keys[j - 1]
            j -= 1
        out[j] = value
        keys[j] = rank
    for rank in keys:
        if rank != rank:
            raise ValueError
    return out


def sorted_down_by(items, key):
    out = [item for item in items]
    keys = [key(item) for item in items]
    for k in range(1, len(out)):
        value = out[k]
        rank = keys[k]
        j = k
        while j > 0 and keys[j - 1] < rank:
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
    return as_array(sorted_by(range(len(items)), lambda k: items[k]))


def least(items):
    best = items[0]
    for item in items:
        if item < best:
            best = item
    return best


def greatest(items):
    best = items[0]
    for item in items:
        if item > best:
            best = item
    return best


def least_record(items):
    best = items[0]
    for item in items:
        if before(item, best, 0):
            best = item
    return best


def least_by(items, key):
    best = items[0]
    low = key(best)
    for item in items:
        rank = key(item)
        if rank < low:
            best = item
            low = rank
    return best


def greatest_by(items, key):
    best = items[0]
    high = key(best)
    for item in items:
        rank = key(item)
        if rank > high:
            best = item
            high = rank
    return best


def index_of_least(items):
    at = 0
    best = items[0]
    for k in range(len(items)):
        item = items[k]
        if item != item:
            raise ValueError
        if item < best:
            best = item
            at = k
    return at


def index_of_greatest(items):
    at = 0
    best = items[0]
    for k in range(len(items)):
        item = items[k]
        if item != item:
            raise ValueError
        if item > best:
            best = item
            at = k
    return at
