"""Chaos: seeded schedules of faults between the pipeline and a real engine, and what must be true after each."""
