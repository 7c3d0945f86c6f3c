class Client:
    def __init__(self, host, connect_timeout=5.0, read_timeout=5.0):
        self.host = host
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
