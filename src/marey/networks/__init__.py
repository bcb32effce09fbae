"""Networks that marey builds itself, and the files that keep their weights."""
