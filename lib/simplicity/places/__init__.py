"""Where the book lies, and how its files are written."""
