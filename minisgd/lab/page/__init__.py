"""One offline page for whatever has pictures and numbers: studies, claims, instruments, training runs, comparisons.

Pictures are drawn by matplotlib as SVG and put into the page as elements of it; one script of our own, ``page.js``,
adds what a picture on paper has not. A charting library would have been the other choice. Against it: the claims and
the instruments have some fifty pictures that matplotlib draws already, also as PNG for papers; a library that draws
in the browser leaves nothing to read without a script and little for a screen reader; and the smallest good one is
several times as large as all our pictures together. What matplotlib lacks, numbers behind the points, colours
for dark screens and descriptions, is added to its SVG by ``svg``.
"""

from minisgd.lab.page.page import Plot, View, render, save, write_page
from minisgd.lab.page.svg import say, svg

__all__ = ["Plot", "View", "render", "save", "say", "svg", "write_page"]
