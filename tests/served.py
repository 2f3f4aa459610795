"""`sitenet serve` in a process of its own, asked as a browser asks it."""

import http.client
import json
import signal
import subprocess
import sys
from urllib.parse import urlsplit

ADDRESS = "127.0.0.1"


class Server:
    """`sitenet serve` in a process."""

    def __init__(self, *options):
        command = [sys.executable, "-m", "sitenet_sklearn", "serve", "--no-open", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.address = urlsplit(self.process.stdout.readline().strip())

    def ask(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection(ADDRESS, self.address.port, timeout=timeout)
        try:
            connection.request(method, self.address.path + path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def rows(self, name, content):
        status, text = self.ask("POST", f"answers?name={name}", content)
        assert status == 200
        return [json.loads(line) for line in text.splitlines()]

    def end(self):
        self.process.send_signal(signal.SIGINT)
        try:
            _, told = self.process.communicate(timeout=30)
        finally:
            self.process.kill()
        return self.process.returncode, told
