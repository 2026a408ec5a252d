"""Compiles a user's `reward_function(params)` from its Python text to a numba kernel over the batch.

In flows a `RewardSource`, out flows a `CompiledReward`, or the reason why the function stays in plain Python
(`compiled_reward` of `validation`). `docs/decisions/0007-reward-compiler.md` gives the reasons for this design.

How a function becomes a kernel, step by step:

1. `validation` looks for the translation in the cache (`kernel`). At the first use of a text a sandbox process does
   steps 2 to 7; later uses load its result.
2. The file is run once in plain Python. `module_env` describes the objects of its module as values.
3. `translate` walks the syntax tree of `reward_function` with handlers from `statements` and `expressions`; `calls`
   translates the user's functions in place, and known functions through `builtins_table` (`builtins_numbers`,
   `builtins_sequences`).
4. A handler works on `values`: what is known of a number, string, object or list. `coercion`, `arithmetic`,
   `object_ops` and `sequence_ops` are the operations on them. `stdlib_functions` holds functions over sequences that
   are written in the user's language and translated like the user's (`stdlib`).
5. Code is written line by line into the `emitter`; `control_flow` adds branches, loops, blocks and traps, and `joins`
   merges the states where branches meet. A piece that is not covered, or that raises in Python, becomes a *trap*
   (`errors`): the kernel returns a code in place of a reward, and that one call is repeated in plain Python. So a
   translation can be incomplete but not wrong.
6. `kernel_source` makes the text of the kernel, and the layout of the state that a car keeps between calls.
   `car_state` moves that state between a row of numbers and a module.
7. `kernel` writes the module to the cache and compiles it; `validation` compares it with plain Python on sampled
   states and writes the verdict.
8. `compiled_reward` runs the kernel in each control step and makes the trapped calls in plain Python.

Imports run downwards only, in the order of the contract in `pyproject.toml` that `import-linter` checks.
"""
