"""Weather: reads ARL files, finds the analyses a simulation needs, and says what is missing."""
