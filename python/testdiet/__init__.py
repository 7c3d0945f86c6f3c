"""The pytest side of testdiet."""
