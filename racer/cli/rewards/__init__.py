"""`racer rewards`: the commands, and what they print, draw and begin."""
