"""Ways through the written code: traps, branches, loops, and the places where ways meet.

context                             the desk with these; all that translates is given it
joins, join_contents, join_code     names and objects where ways meet, and the code that makes them so
"""
