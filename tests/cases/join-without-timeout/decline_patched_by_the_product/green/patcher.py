def monkey_patch():
    import threading

    threading.Thread.join = lambda self, timeout=None: None
