import gc
import tarfile
import unittest
from unittest import mock

import pytest


class Case(unittest.TestCase):
    def test_not_opened(self):
        with self.assertRaises(OSError):
            archive = tarfile.open("none.tar")

    def test_expected_to_fail(self):
        try:
            handle = open("/none/such")
        except OSError as error:
            self.assertEqual(error.errno, 2)

    def test_warning(self):
        handle = open("/dev/null")
        with self.assertWarns(ResourceWarning):
            del handle


def test_collected():
    handle = open("/dev/null")
    print(handle)
    gc.collect()


def test_nothing_is_opened():
    with mock.patch("builtins.open", mock.mock_open(read_data="x")):
        handle = open("config")
        assert handle.read() == "x"


def test_raises():
    with pytest.raises(FileNotFoundError):
        handle = open("/none/such")
