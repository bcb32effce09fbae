"""A folder of web pages: a page for every unit, class, clip and finding, which opens from disk."""
