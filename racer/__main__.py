"""`python -m racer` is `racer`."""

from racer.cli.main import main

if __name__ == "__main__":
    main()
