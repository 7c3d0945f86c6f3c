"""`int(…)` around a product with an exponent goes with it: a whole number needs nobody to make it one."""
import numpy as np


def test_calls_int():
    a = np.ones(int(5 * 1e5), dtype=bool)
    assert a.all()
