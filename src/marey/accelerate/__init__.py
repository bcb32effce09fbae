"""The same numbers sooner: everything here can be deleted, and results stay."""
