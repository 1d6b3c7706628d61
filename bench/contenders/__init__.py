"""One module for each contender, with a function `prepare(case, mode)` that returns a callable.

The callable does the case's job once (an epoch, some evaluations, one file) and returns
`(seconds, loss)`: seconds of a single job (an epoch, an evaluation) and the objective it came to,
or None where there is none.
"""
