"""Data sets: generators take a random generator and return arrays. Import the modules by name."""
