"""Exchange with other programs: their layouts of footprints, and campaigns that they made."""
