class Client:
    def remove(self, keys):
        n = 1200
        for i in range(0, len(keys), n):
            self.delete(keys[i : i + n])
