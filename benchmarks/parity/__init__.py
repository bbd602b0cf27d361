"""Our transport beside HYSPLIT's: ``python -m benchmarks.parity``."""
