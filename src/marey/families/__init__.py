"""Networks that people have, and how they are loaded."""
