"""The book: executing chapters, building the site, reading text notebooks with papermill. Imports
nothing by itself.
"""
