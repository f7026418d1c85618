# A guard before a server: TLS with a certificate asked of every client, and one way to log in.
#
# guard.py BACKEND CERTIFICATE KEY AUTHORITY AUTHORIZATION: prints its port, serves until its input ends.
import http.client
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

backend, certificate, key, authority, authorization = sys.argv[1:]
backend = urlsplit(backend).netloc


class Guard(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("authorization") != authorization:
            return self.answer(401, "text/plain", b"who are you?")
        connection = http.client.HTTPConnection(backend, timeout=30)
        named = ("content-type", "accept")
        headers = {name: self.headers[name] for name in named if self.headers[name]}
        connection.request(self.command, self.path, body, headers)
        found = connection.getresponse()
        self.answer(found.status, found.headers.get("content-type") or "text/plain", found.read())
        connection.close()

    do_GET = do_POST = do_PUT = do_DELETE = pass_on

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        # Who has no certificate is sent away without a word here.
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.load_verify_locations(authority)
context.verify_mode = ssl.CERT_REQUIRED
server = Server(("127.0.0.1", 0), Guard)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
