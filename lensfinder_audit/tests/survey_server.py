# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A survey on this machine: files of bricks, a cutout service and a bucket.

It answers as the survey does and, where it is told to, as a survey in trouble.
"""
import io
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from astropy.io import fits

from lensfinder_audit.brick_images import BrickImage
from lensfinder_audit.bricks import brick_names
from lensfinder_audit.coadds import CoaddLayout

PAGE = b'<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body>Sorry</body></html>'


class Survey:
    """What the server gives, the troubles it has, and the requests that it has seen."""

    def __init__(self, root):
        self.root, self.troubles, self.seen, self.agents = root, {}, [], []
        self.end = Event()

    def trouble(self, word, *kinds):
        """Let the next requests with a word in their path go wrong, in these ways."""
        self.troubles.setdefault(word, []).extend(kinds)

    def next_trouble(self, path):
        for word, kinds in self.troubles.items():
            if word in path and kinds:
                return kinds.pop(0) if kinds[0] != 'always 500' else 'always 500'
        return None

    def content(self, path):
        """Return the bytes of an address; `None` where there is nothing."""
        parts = urlsplit(path)
        if parts.path == '/viewer/fits-cutout':
            return self.cutout({name: values[0] for name, values in
                                parse_qs(parts.query, keep_blank_values=True).items()})
        place = self.root / unquote(parts.path).lstrip('/').removeprefix('bucket/')
        return place.read_bytes() if place.is_file() else None

    def cutout(self, asked):
        ra, dec, size = float(asked['ra']), float(asked['dec']), int(asked['size'])
        cubes = [self.cube(template, ra, dec, size, asked['bands']) for template in (
            CoaddLayout().image, CoaddLayout().invvar)[:1 + ('invvar' in asked)]]
        hdus = fits.HDUList([fits.PrimaryHDU(cubes[0]), *map(fits.ImageHDU, cubes[1:])])
        for hdu in hdus:
            hdu.header['BANDS'] = asked['bands']
        stream = io.BytesIO()
        hdus.writeto(stream)
        return stream.getvalue()

    def cube(self, template, ra, dec, size, bands):
        brick = str(brick_names(ra, dec)[0])
        cube = np.zeros((len(bands), size, size), np.float32)
        for plane, band in enumerate(bands):
            path = self.root / template.format(brick=brick, folder=brick[:3], band=band)
            if path.exists():
                with BrickImage(path) as image:
                    cube[plane] = np.nan_to_num(image.cut(*image.pixels(ra, dec), (size, size)))[0]
        return cube


def _handler(survey):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            survey.seen.append(self.path)
            survey.agents.append(self.headers.get('User-Agent'))
            answer(self, survey.next_trouble(self.path), survey)

        def do_HEAD(self):
            answer(self, None, survey)

        def log_message(self, *args):
            """Say nothing."""
    return Handler


def answer(request, trouble, survey):
    """Answer a request in the way that is asked for."""
    data = survey.content(request.path)
    if trouble in ('500', 'always 500', '429', '429 date', '503', '403'):
        headers = {'429': '2', '503': '100000'}.get(trouble)
        if trouble == '429 date':
            headers = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        send(request, int(trouble.removeprefix('always ')[:3]), PAGE,
             {'Retry-After': headers} if headers else {})
    elif data is None:
        send(request, 404, b'<Error><Code>NoSuchKey</Code></Error>')
    elif trouble == 'page':
        send(request, 200, PAGE)
    elif trouble == 'cut short':
        send(request, 200, data[:len(data) // 2], length=len(data))
    elif trouble == 'cut short without a length':
        send(request, 200, data[:len(data) // 2], length=None)
    elif trouble == 'silence':
        send(request, 200, data[:100], length=len(data), stay=survey.end)
    elif trouble is None:
        send(request, 200, data)
    else:
        raise ValueError(trouble)


def send(request, status, data, headers=None, length=-1, stay=None):
    """Send a reply; its announced length may be another than that of what is sent."""
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    if length is not None:
        request.send_header('Content-Length', str(len(data) if length < 0 else length))
    request.end_headers()
    if request.command == 'GET':
        request.wfile.write(data)
        request.wfile.flush()
    if stay is not None:
        stay.wait(20)
    request.close_connection = True


@contextmanager
def serve(root):
    """Serve a folder; give the survey and its address."""
    survey = Survey(root)
    server = ThreadingHTTPServer(('127.0.0.1', 0), _handler(survey))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02}, daemon=True)
    thread.start()
    try:
        yield survey, f'http://127.0.0.1:{server.server_port}'
    finally:
        survey.end.set()
        server.shutdown()
        server.server_close()
        thread.join()
