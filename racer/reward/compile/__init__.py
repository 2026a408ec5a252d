"""Compiling a user's `reward_function(params)`: from its Python text to a kernel over the batch.

`docs/decisions/0007-reward-compiler.md` says why it is made like this. In short: the module is run once in plain
Python; then the translator walks the function's syntax tree with the module's real objects at hand, knows the type of
every value, and writes a plain loop-and-scalar Python function that numba compiles. Whatever the translation does not
cover, or would raise, becomes a *trap*: the kernel gives the car a code instead of a reward, and that one call is made
again in plain Python. So a translation can be incomplete, but not wrong; a trial checks that before the first use.

The pipeline, from the outside in:

    compiling       the way in: a source becomes a compiled reward, or the reason why there is none
      trial         its first use, in another process: translate, compile, and compare
        module_rules  what a file must not use
        translate   the loop over passes, until what is kept between calls has settled
        kernel_text the text of the kernel, from the lines of one call
        samples     the states that both paths are compared on
        compare     both paths side by side
      kernel        a translation on disk, and what numba makes of it
      compiled_path the reward behind the seam: runs the kernel, makes trapped calls in plain Python

What `translate` works with, each layer using those above it only:

    endings, codes                how a translation, and a call of a kernel, can end early
    values, heap, shapes, kinds   what is known of a value, of an object, of a list's elements, of a number
    lines, scopes, blocks         written code; the names of a body; its early returns
    world, world_*, prelude       the module's real objects; our own functions (`prelude_*`), in the user's language
    desk, names, elements         what is being translated: code, state, names, memory
    join_code, join_contents, joins   where ways of the program meet
    context                       traps, branches and loops: what all that follows is given
    coerce, arithmetic, strings, sequences, sequence_*, array_operators, equality, membership, objects
                                  operations on values
    expression_*, comprehensions, statement_*, loops   one function for each kind of syntax
    native_*, natives             functions of Python, math and numpy, by name
    methods, inlining, calls      calls
    dispatch                      the tables of syntax, and the way through them
    params_values                 the keys of params

What is kept between calls: `layout` says where it lies in a car's row, `state_rows` and `state_paths` carry it into a
module and back for the calls that plain Python makes, `fingerprint` checks that nothing else was kept.
"""
