# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read files of a survey from a folder, over HTTP, or from any store of objects.

Every file is read once and as a whole. A server that is busy, silent or breaks off
is asked again, later each time; what it says of when to come back is heeded.
"""
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from time import monotonic, sleep
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import lensfinder_audit
from lensfinder_audit._politeness import Turns
from lensfinder_audit.exceptions import ConfigError, InputFileError, MissingDependencyError

__all__ = ['NotThereError', 'Reader', 'is_remote', 'join_place', 'retry_after']

_AGAIN = {408, 425, 429}  # and all from 500 on
_CHUNK = 1 << 18
_HOPELESS = 5  # requests in a row after which a server is not asked any more


class NotThereError(InputFileError):
    """A file that the survey does not have, which asking again does not change."""


class _TryAgain(Exception):
    """
    A request that failed and may succeed later, in ``after`` seconds where told.

    ``answered`` says that the server did its part, and only the file is bad.
    """

    def __init__(self, reason, after=None, *, answered=False):
        super().__init__(reason)
        self.after, self.answered = after, answered


@dataclass(frozen=True)
class Reader:
    """
    Read files, wherever they are.

    Parameters
    ----------
    attempts : int, optional
        How often a file is asked for in all.
    first_wait, longest_wait : float, optional
        Seconds before the second attempt and between any two; each wait is about
        twice the one before, shortened by up to a half at random.
    patience : float, optional
        The longest ``Retry-After`` in seconds that is waited for.
    timeout, deadline : float, optional
        Seconds of silence, and seconds for one file in all, after which a server is
        given up.
    rate : float, optional
        Requests per second of all processes that share ``turns``.
    turns : str or `~pathlib.Path`, optional
        File by which processes share their turns.
    contact : str, optional
        Address of the user, which the server finds in the User-Agent.
    storage : dict of str to object, optional
        Options of fsspec for places such as ``s3://``, such as ``{'anon': True}``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lensfinder_audit.remote import Reader
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'a.txt'
    ...     _ = path.write_text('some words')
    ...     Reader().read(path, lambda found: found.read_text().split())
    ['some', 'words']
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    patience: float = 900.0
    timeout: float = 60.0
    deadline: float = 900.0
    rate: float | None = None
    turns: str | None = None
    contact: str = ''
    storage: dict = field(default_factory=dict)
    _turns: Turns = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, '_turns', Turns(self.turns, self.rate))
        if self.attempts < 1 or not (self.rate is None or self.rate > 0):
            raise ConfigError(f'at least one attempt and a rate above 0 are needed; attempts is '
                              f'{self.attempts}, rate {self.rate}')
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise ConfigError(f'contact is sent to servers and holds plain letters, not '
                              f'{self.contact!r}')
        for name in ('first_wait', 'longest_wait', 'patience', 'timeout', 'deadline'):
            if not getattr(self, name) > 0:
                raise ConfigError(f'{name} is a number of seconds above 0, not '
                                  f'{getattr(self, name)}')

    def read(self, place, parse):
        """
        Read a file and parse it; a reply that cannot be parsed is asked for again.

        Parameters
        ----------
        place : str or `~pathlib.Path`
            Path, ``http(s)://`` address, or an address of fsspec such as ``s3://``.
        parse : callable
            ``parse(path or bytes)``; an `~lensfinder_audit.exceptions.InputFileError`
            says that the file is damaged.

        Returns
        -------
        found : object
            What ``parse`` returns.

        Raises
        ------
        NotThereError
            If there is no such file.
        InputFileError
            If the file is damaged, or the server failed at every attempt.
        """
        if not is_remote(place):
            return _parse_local(Path(place), parse)
        turns = self._turns
        if turns.given_up() >= _HOPELESS:
            raise InputFileError(f'{place}: not asked for, since the server failed {_HOPELESS} '
                                 'times in a row; run the same command later')
        for attempt in range(1, self.attempts + 1):
            turns.wait()
            try:
                found = self._attempt(str(place), parse)
            except _TryAgain as error:
                self._pause(attempt, error, turns, place)
            except NotThereError:
                turns.count(given_up=False)
                raise
            else:
                turns.count(given_up=False)
                return found

    def _attempt(self, place, parse):
        data = self._over_http(place) if _scheme(place) in ('http', 'https') else (
            _through_fsspec(place, self.storage))
        try:
            return parse(data)
        except InputFileError as error:
            page = _page(data)
            raise _TryAgain(page or str(error).removeprefix(f'{place}: '),
                            answered=not page) from error

    def _pause(self, attempt, error, turns, place):
        """Wait before the next attempt, or give up."""
        wait = min(self.longest_wait, self.first_wait * 2 ** (attempt - 1))
        wait *= random.uniform(0.5, 1)
        if attempt == self.attempts or (error.after or 0) > self.patience:
            turns.count(given_up=not error.answered)
            asked = f'; it asked to wait {error.after:.0f} s' if error.after else ''
            raise InputFileError(f'{place}: {error}, after {attempt} of {self.attempts} attempts'
                                 f'{asked}') from error
        if error.after:
            turns.hold_back(error.after)
        sleep(max(wait, error.after or 0))

    def _over_http(self, url):
        agent = f'lensfinder_audit/{lensfinder_audit.__version__}'
        agent += f' ({self.contact})' if self.contact else ''
        request = Request(url, headers={'User-Agent': agent})
        try:
            with urlopen(request, timeout=self.timeout) as reply:
                return _body(reply, self.deadline)
        except HTTPError as error:
            with error:
                if error.code in (404, 410):
                    raise NotThereError(f'{url}: there is no such file ({error.code})') from error
                if error.code not in _AGAIN and error.code < 500:
                    raise InputFileError(f'{url}: is refused ({error.code} {error.reason})'
                                         ) from error
                raise _TryAgain(f'answers {error.code} {error.reason}',
                                retry_after(error.headers)) from error
        except TimeoutError as error:
            raise _TryAgain(f'no answer within {self.timeout:g} s') from error
        except (HTTPException, OSError) as error:
            reason = getattr(error, 'reason', None) or error
            raise _TryAgain(f'the connection failed ({_brief(reason)})') from error


def is_remote(place):
    """
    Tell addresses from paths.

    Parameters
    ----------
    place : str or `~pathlib.Path`
        Path or address.

    Returns
    -------
    remote : bool
        Whether it is an address.
    """
    return _scheme(place) is not None


def join_place(root, path):
    """
    Return the place of a file below a folder or an address.

    Parameters
    ----------
    root : str or `~pathlib.Path`
        Folder or address.
    path : str
        Relative to it, with ``/``.

    Returns
    -------
    place : str
        Path or address.
    """
    return f'{str(root).rstrip("/")}/{path}' if is_remote(root) else str(Path(root) / path)


def retry_after(headers):
    """
    Read the header by which a server says when to come back.

    Parameters
    ----------
    headers : mapping of str to str
        ``Retry-After`` holds seconds or a date, which is compared with the server's own
        ``Date``.

    Returns
    -------
    seconds : float or None
        `None` where it does not say, or not legibly.

    Examples
    --------
    >>> from lensfinder_audit.remote import retry_after
    >>> retry_after({'Retry-After': '120'})
    120.0
    >>> retry_after({'Retry-After': 'Fri, 31 Dec 1999 23:59:59 GMT',
    ...              'Date': 'Fri, 31 Dec 1999 23:59:29 GMT'})
    30.0
    """
    text = (headers.get('Retry-After') or '').strip()
    if re.fullmatch(r'\d+(\.\d+)?', text):
        return float(text)
    until, now = _date(text), _date(headers.get('Date') or '')
    if until is None:
        return None
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


def _date(text):
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _scheme(place):
    found = re.match(r'([A-Za-z][A-Za-z0-9+.-]+)://', str(place))
    return found[1].lower() if found else None


def _parse_local(path, parse):
    try:
        return parse(path)
    except FileNotFoundError as error:
        raise NotThereError(f'{path}: there is no such file') from error
    except IsADirectoryError as error:
        raise InputFileError(f'{path}: is a folder') from error


def _body(reply, deadline):
    """Read a reply; one that is shorter than announced is not the file."""
    begun, parts, size = monotonic(), [], 0
    while part := reply.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if monotonic() - begun > deadline:
            raise _TryAgain(f'{size:,} bytes in {deadline:g} s and no end')
    announced = reply.headers.get('Content-Length')
    if announced is not None and announced.isdigit() and size < int(announced):
        raise _TryAgain(f'broke off after {size:,} of {int(announced):,} bytes')
    return b''.join(parts)


def _through_fsspec(place, storage):
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependencyError(f'{place}: is read through fsspec; pip install '
                                     "'lensfinder_audit[remote]'") from error
    try:
        files, path = fsspec.core.url_to_fs(place, **storage)
        return files.cat_file(path)
    except FileNotFoundError as error:
        raise NotThereError(f'{place}: there is no such file') from error
    except PermissionError as error:
        raise InputFileError(f'{place}: is refused ({_brief(error)}); a public bucket needs '
                             '--storage anon=true') from error
    except ImportError as error:
        raise MissingDependencyError(f"{place}: {_brief(error)}; pip install "
                                     "'lensfinder_audit[remote]'") from error
    except ValueError as error:  # an unknown protocol, an impossible option
        raise InputFileError(f'{place}: {_brief(error)}') from error
    except Exception as error:  # each file system has errors of its own
        raise _TryAgain(f'the connection failed ({_brief(error)})') from error


def _page(data):
    """Name the page that came instead of a file, with its title; nothing for other data."""
    if not isinstance(data, bytes) or not data.lstrip()[:1] == b'<':
        return ''
    title = re.search(r'<title[^>]*>(.*?)</title>', data[:4096].decode('utf-8', 'replace'),
                      re.I | re.S)
    return 'answers with a page instead of a FITS file' + (
        f' ({_brief(title[1])})' if title else '')


def _brief(error):
    return ' '.join(str(error).split())[:160] or type(error).__name__
