# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""One Dask cluster and one Spark context of two workers each, for all tests of engines."""
import pytest


@pytest.fixture(scope='session')
def dask_engine():
    pytest.importorskip('distributed', reason='Dask is not installed')
    from lensfinder_audit.engines.dask import DaskEngine

    with DaskEngine(workers=2) as engine:
        yield engine


@pytest.fixture(scope='session')
def spark_engine():
    pytest.importorskip('pyspark', reason='pyspark is not installed')
    from lensfinder_audit.engines._spark_context import java_version
    from lensfinder_audit.engines.spark import SparkEngine

    if (java_version() or 0) < 17:
        pytest.skip('no Java runtime of version 17 or newer')
    with SparkEngine(address='local[2]') as engine:
        yield engine


@pytest.fixture(params=['dask', 'spark'])
def engine(request):
    return request.getfixturevalue(f'{request.param}_engine')
