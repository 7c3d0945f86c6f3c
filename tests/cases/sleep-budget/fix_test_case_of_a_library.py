"""What a library calls a TestCase is one, though it is not read."""
import time

from sometest import base


class Locks(base.BaseTestCase):
    def test_fair(self):
        for _ in range(10):
            time.sleep(0.4)


class Cases(base.CaseTable):
    def test_collected_by_nobody(self):
        for _ in range(10):
            time.sleep(0.4)
