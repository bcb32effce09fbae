"""A folder of web pages: a page for every unit, class and finding, which opens from disk."""
