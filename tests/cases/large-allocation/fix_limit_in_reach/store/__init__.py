from .core import Cache
