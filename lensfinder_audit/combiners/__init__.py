# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Ways to make one score of the scores of several finders, or a probability of one."""
