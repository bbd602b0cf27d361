"""Synthetic weather in the formats of weather services, from one truth; tests and tutorials too."""
