"""The car's own web page: see what it sees, stop it, drive it by hand, choose what drives it."""
