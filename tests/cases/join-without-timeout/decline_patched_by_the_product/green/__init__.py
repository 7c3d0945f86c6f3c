"""A product that replaces threads."""
from green import patcher

monkey_patch = patcher.monkey_patch
