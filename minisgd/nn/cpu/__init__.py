"""Layers on a processor: the textbook's results, with what one operation leaves in the cache still there for the next.

One module for each layer. Each function has the arguments of the method it stands in for, its layer first.
"""
