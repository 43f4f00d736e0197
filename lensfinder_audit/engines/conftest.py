# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Modules whose package is not installed hold no examples that could be tested."""
from importlib.util import find_spec

collect_ignore = [] if find_spec('distributed') else ['dask.py']
collect_ignore += [] if find_spec('pyspark') else ['spark.py', '_spark_context.py']
