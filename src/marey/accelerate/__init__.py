"""The same numbers sooner: all that is here can be deleted, and results stay but for rounding."""
