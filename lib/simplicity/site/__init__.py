"""The book: executing chapters, building the site, papermill's reader. Imports nothing."""
