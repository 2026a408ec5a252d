"""`python -m racer` runs the command line."""

from racer.cli.main import main

if __name__ == "__main__":
    main()
