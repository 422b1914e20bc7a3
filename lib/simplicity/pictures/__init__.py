"""Pictures: datasets in, figures out.

The only place that imports matplotlib. Import the modules by name.
"""
