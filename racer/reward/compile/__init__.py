"""Compiling a user's `reward_function(params)`: from its Python text to a kernel over the batch.

`docs/decisions/0007-reward-compiler.md` says why it is made like this. In short: the module is run once in plain
Python; then the translator walks the function's syntax tree with the module's real objects at hand, knows the type of
every value, and writes a plain loop-and-scalar Python function that numba compiles. Whatever the translation does not
cover, or would raise, becomes a *trap*: the kernel gives the car a code instead of a reward, and that one call is made
again in plain Python. So a translation can be incomplete, but not wrong; a trial checks that before the first use.

The way of a source through the packages: `compiling` takes it in; at its first use `trial` has it translated
(`translation`), compiled and compared in another process; `kernels` keeps what that left, and runs it.

Imports run downwards only; `import-linter` holds it. Each package's docstring is a map of its files.

    compiling     the way in: a source becomes a compiled reward, or the reason why there is none
    trial         translate, compile and compare, in a process of its own
    kernels       translations on disk, compiled, behind the seam
    translation   from a loaded module to the text of its kernel
    statements    what each kind of statement means
    expressions   what each kind of expression means
    calls         calls, functions translated in place, methods
    natives       functions of Python, math and numpy, by name
    operations    arithmetic, comparisons, lists, objects: whatever asks for them
    flow          traps, branches, loops, and where ways meet
    desk          the code written so far, names and memory
    state         what a car keeps between calls: in its row, and back into a module
    module        the user's module as it was run
    prelude       our own functions over sequences, in the user's language
    values        what is known of a value, an object, a list's elements, a number
    endings       how a translation, or a call of a kernel, ends early
"""
