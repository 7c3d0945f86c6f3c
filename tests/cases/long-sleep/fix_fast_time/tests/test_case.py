#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""Nothing of pytest in here yet."""

from __future__ import annotations

import time
import unittest


class Case(unittest.TestCase):
    def test_method(self):
        time.sleep(2)

    @unittest.skipIf(False, "never")
    def test_decorated(self):
        time.sleep(2)
