"""From a loaded module to the text of its kernel.

translate       the loop over passes, until what is kept between calls has settled
dispatch        which function translates which syntax
params_values   the keys of params
kernel_text     the text, from the lines of one call
"""
