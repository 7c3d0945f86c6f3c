import time
import unittest


class TestPlain:
    def setup_method(self):
        time.sleep(0.3)

    def teardown_method(self):
        time.sleep(0.3)

    def test_one(self):
        assert True


class TestCase(unittest.TestCase):
    def setUp(self):
        time.sleep(0.3)

    def tearDown(self):
        time.sleep(0.3)

    def test_one(self):
        self.assertTrue(True)
