DEFAULTS = {
    "disk_min_file_size": 2**15,
}


class Cache:
    def set(self, key, value):
        self.in_file = len(value) > DEFAULTS["disk_min_file_size"]
