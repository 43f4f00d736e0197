# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A Spark context of our own: begun without a word on the terminal, and ended whole.

Java's standard error goes to a file, which is quoted where the context does not
begin.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from contextlib import ExitStack, contextmanager

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway

from lensfinder_audit.exceptions import ConfigError, MissingDependencyError

__all__ = ['own_context', 'is_stopped', 'java_version']

_LEAST_JAVA = 17
_QUICK_START = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'  # Java only passes bytes on
_INSTALL = ('install one: "sudo apt-get install openjdk-17-jre-headless" (Debian, Ubuntu), '
            '"brew install openjdk@17" (macOS) or "conda install -c conda-forge openjdk=17", or '
            'let JAVA_HOME name the folder of one')


@contextmanager
def own_context(master):
    """Begin a context on a master; end it, and the Java process, when the caller is done."""
    _check_master(master)
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        stack.enter_context(_environment(PYSPARK_PYTHON=sys.executable, **_here(master)))
        stack.enter_context(_signal_handler())
        if SparkContext._gateway is None:  # else someone's context was here before
            _check_java()
            SparkContext._gateway = _launched(_settings(master), log)
            SparkContext._jvm = SparkContext._gateway.jvm
            stack.callback(_end_java)
        context = _begun(master, log)
        stack.callback(context.stop)
        yield context


def is_stopped(context):
    """Return whether a context has ended, of itself or for want of a master."""
    try:
        return context._jsc is None or context._jsc.sc().isStopped()
    except (Py4JError, OSError):
        return True


def java_version():
    """
    Return the main version of the Java runtime that Spark would use.

    Returns
    -------
    version : int or None
        Such as 17; `None` where there is none.
    """
    home = os.environ.get('JAVA_HOME')
    java = os.path.join(home, 'bin', 'java') if home else shutil.which('java')
    try:
        said = subprocess.run([java, '-version'], capture_output=True, text=True, timeout=60)
    except (OSError, TypeError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found else None


def _check_master(master):
    """Find out in seconds what Spark itself gives up on after a minute."""
    if not re.match(r'local($|\[|-cluster)|spark://|yarn$|k8s://', master):
        raise ConfigError(f'{master!r} is no Spark master; write spark://host:7077, yarn, '
                          'k8s://https://host:443 or local[4]')
    if not master.startswith('spark://'):
        return
    for place in master.removeprefix('spark://').split(','):  # one of several may be on duty
        host, _, port = place.rpartition(':')
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
            return
        except (OSError, ValueError) as error:
            reason = error
    raise ConfigError(f'no Spark master answers at {master!r} ({reason}); start one with '
                      'sbin/start-master.sh and workers with sbin/start-worker.sh, or leave the '
                      'address out for processes on this machine')


def _check_java():
    if 'PYSPARK_GATEWAY_PORT' in os.environ:  # spark-submit runs this process
        return
    version = java_version()
    if version is None:
        raise MissingDependencyError(f'Spark needs a Java runtime, version {_LEAST_JAVA} or newer, '
                                     f'and there is none; {_INSTALL}')
    if version < _LEAST_JAVA:
        raise MissingDependencyError(f'Spark needs Java {_LEAST_JAVA} or newer, this is Java '
                                     f'{version}; {_INSTALL}')


def _here(master):
    """Name this machine where nothing else is, since not every machine can resolve its name."""
    return {'SPARK_LOCAL_IP': '127.0.0.1'} if master.startswith('local') else {}


def _settings(master):
    settings = {'spark.master': master, 'spark.app.name': 'lensfinder-audit',
                'spark.ui.showConsoleProgress': 'false'}
    if master.startswith('local'):
        settings |= {'spark.ui.enabled': 'false', 'spark.driver.host': '127.0.0.1',
                     'spark.driver.bindAddress': '127.0.0.1',
                     'spark.driver.extraJavaOptions': _QUICK_START}
    return SparkConf().setAll(settings.items())


def _launched(conf, log):
    try:
        return launch_gateway(conf, {'stdout': log, 'stderr': log})
    except (PySparkException, OSError) as error:
        raise MissingDependencyError(f'Spark does not begin: {_end_of(log) or error}') from error


def _begun(master, log):
    try:
        with warnings.catch_warnings():  # of its data frames, which are not used here
            warnings.filterwarnings('ignore', 'PySpark does not yet fully support', FutureWarning)
            return SparkContext(conf=_settings(master))
    except (Py4JError, PySparkException, ValueError) as error:
        SparkContext._active_spark_context = None
        raise ConfigError(f'Spark does not begin with the master {master!r}: '
                          f'{_reason(error)}') from error


def _reason(error):
    text = str(getattr(error, 'java_exception', None) or error)
    return ' '.join(text.split('\n\tat ')[0].split())[:300]


def _end_of(log):
    log.seek(0)
    return ' '.join(log.read()[-600:].decode(errors='replace').split())


def _end_java():
    """Stop the Java process, which otherwise lives as long as this one."""
    gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
    process = getattr(gateway, 'proc', None)
    gateway.shutdown()
    if process is not None:
        process.stdin.close()  # at which it ends
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _environment(**values):
    """Set variables that are not set, for a while."""
    mine = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            os.environ.pop(name, None)


@contextmanager
def _signal_handler():
    """A context takes Ctrl-C for itself; give it back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
