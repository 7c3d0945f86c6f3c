"""Does something with a module as soon as it has been imported, and imports none itself: a run pays for what it uses.

A finder before the others lets them find the module, and puts a loader of its own in the place of the found one. That one is gone
again when the module runs.

PYTEST_DONT_REWRITE
"""

import sys


class Awaited:
    """Modules by name, and what is called with each, once."""

    def __init__(self, actions):
        self.actions = actions

    def plug_in(self):
        self.look()
        sys.meta_path.insert(0, self)

    def unplug(self):
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def look(self):
        """Calls for what is there by now: before this was plugged in, or through a finder that was put before it."""
        for name in [name for name in self.actions if name in sys.modules]:
            module = sys.modules[name]
            if not getattr(getattr(module, "__spec__", None), "_initializing", False):
                self.arrived(name, module)

    def arrived(self, name, module):
        action = self.actions.pop(name, None)
        if action is not None:
            action(module)

    def find_spec(self, name, path=None, target=None):
        if name not in self.actions:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, self)
                return spec
        return None


class _Loader:
    """Stands in for a loader until the module runs."""

    def __init__(self, loader, awaited):
        self.loader = loader
        self.awaited = awaited

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.awaited.arrived(module.__name__, module)

    def __getattr__(self, name):
        return getattr(self.loader, name)
