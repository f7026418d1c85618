"""moto's server, one request at a time: it compares and writes without a lock, and so keeps no condition in a race."""

import sys
from threading import Lock

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

serve = DomainDispatcherApplication(create_backend_app)
turn = Lock()


def in_turn(environ, start_response):
    with turn:
        return list(serve(environ, start_response))


run_simple("127.0.0.1", int(sys.argv[1]), in_turn, threaded=True)
