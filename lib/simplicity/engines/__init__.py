"""Whoever makes a trajectory: engines take arrays, a schedule and probes. Import the modules by name."""
