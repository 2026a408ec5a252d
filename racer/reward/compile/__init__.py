"""Compiling a user's `reward_function(params)`: from its Python text to a kernel over the batch.

`docs/decisions/reward-compiler.md` tells the plan. In short: the module is run once in plain Python; then
`translate` walks the function's syntax tree with the module's real objects at hand, knows the type of every value, and
writes a plain loop-and-scalar Python function that numba compiles. Whatever the translation does not cover, or would
raise, becomes a *trap*: the kernel gives the car a code instead of a reward, and that one call is made again in plain
Python. So a translation can be incomplete, but not wrong; `trial` checks that before the first use.
"""
