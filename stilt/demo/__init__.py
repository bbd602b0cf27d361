"""A demonstration that needs nothing but the package: synthetic weather, a run, two pictures."""

from stilt.demo.files import write_demo, write_demo_weather
from stilt.demo.run import DemoReport, run_demo

__all__ = ["DemoReport", "run_demo", "write_demo", "write_demo_weather"]
