"""What watches a run of pytest for the program that started it: handed over on ``PYTHONPATH``, never installed.

A package of its own beside ``testdiet``, so that the run has the fixtures and the ``wait_until`` that it has without being
watched: those that the interpreter has installed, those that ``testdiet init`` wrote into the suite, or none.

PYTEST_DONT_REWRITE: imported before pytest marks installed plugins, which is a warning, and an error where warnings are.
"""
