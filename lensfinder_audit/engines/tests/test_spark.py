# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import subprocess
import sys

import pytest

from lensfinder_audit.engines.tests.work import add
from lensfinder_audit.exceptions import ConfigError, MissingDependencyError

pyspark = pytest.importorskip('pyspark', reason='pyspark is not installed')
_spark_context = pytest.importorskip('lensfinder_audit.engines._spark_context')
SparkEngine = pytest.importorskip('lensfinder_audit.engines.spark').SparkEngine


def test_the_active_context_is_used_and_left_active(spark_engine):
    with spark_engine._session() as context:
        assert SparkEngine().map_reduce(str, range(3), add) == '012'
        assert pyspark.SparkContext._active_spark_context is context
        assert not _spark_context.is_stopped(context)
        with pytest.raises(ConfigError, match=r"with the master 'local\[2,4\]' is active"):
            SparkEngine(address='spark://elsewhere:7077').map_reduce(str, range(3), add)


@pytest.mark.parametrize(('master', 'words'), [
    ('tcp://a:8786', "'tcp://a:8786' is no Spark master; write spark://host:7077"),
    ('spark://127.0.0.1:1', "no Spark master answers at 'spark://127.0.0.1:1'.*start-master"),
    ('spark://nowhere', 'no Spark master answers')])
def test_a_master_that_cannot_be_is_told_at_once(master, words):
    with pytest.raises(ConfigError, match=words):
        _spark_context._check_master(master)


@pytest.mark.parametrize(('said', 'version'), [
    ('openjdk version "17.0.15" 2025-04-15', 17), ('java version "1.8.0_392"', 8),
    ('openjdk version "21" 2023-09-19', 21), ('no java', None)])
def test_the_version_of_java_is_read(tmp_path, monkeypatch, said, version):
    (tmp_path / 'bin').mkdir()
    java = tmp_path / 'bin' / 'java'
    java.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv('JAVA_HOME', str(tmp_path))
    assert _spark_context.java_version() == version
    if version is None or version < 17:
        with pytest.raises(MissingDependencyError, match='openjdk-17-jre-headless'):
            _spark_context._check_java()


def test_missing_java_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.delenv('JAVA_HOME', raising=False)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert _spark_context.java_version() is None
    with pytest.raises(MissingDependencyError, match='needs a Java runtime, version 17'):
        _spark_context._check_java()


def test_missing_pyspark_says_what_to_install():
    code = ('import sys; sys.modules["pyspark"] = None\n'
            'from lensfinder_audit.plugins import load_plugin\n'
            'load_plugin("engines", "spark")')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert "pip install 'lensfinder_audit[spark]'" in done.stderr.splitlines()[-1]
