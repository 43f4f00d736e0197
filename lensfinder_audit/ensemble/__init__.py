# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Does training on different subsets broaden what is found at a fixed inspection budget?"""
