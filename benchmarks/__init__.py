"""Timings on synthetic weather: ``python -m benchmarks --help``."""
