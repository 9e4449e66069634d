"""The report as one HTML file: what is readable without scripts, and the data of each trial for the part that is interactive.

`render` puts the page together; `cards`, `coverage` and `index` say what stands in it; `trial`, with `records`, `ledger` and
`sequence`, is one trial as data; `room` decides how much of each trial there is room for.
"""
