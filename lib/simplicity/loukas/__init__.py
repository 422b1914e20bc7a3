"""Loukas et al. 2021: what the path of the first bias tells of the function that is learned."""

import simplicity.process  # noqa: F401
