"""A demonstration that needs nothing but the package: synthetic weather, a run, two pictures."""

from stilt.demo.files import write_demo

__all__ = ["write_demo"]
