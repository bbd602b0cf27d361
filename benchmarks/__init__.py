"""Speed and memory beside pystilt + HYSPLIT: ``python -m benchmarks --help``."""
