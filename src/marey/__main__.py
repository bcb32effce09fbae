"""`python -m marey`, the same as `marey`."""

from marey.cli import main

if __name__ == "__main__":
    main()
