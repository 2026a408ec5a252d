"""What a car keeps between calls: where it lies in its row, and its way into a module and back.

layout        where everything lies in the row, as plain JSON
paths, rows   carry it into a module and back, for the calls that plain Python makes
fingerprint   checks that nothing else was kept
"""
