"""Sealock behind the calls of other libraries, for code that is to switch."""
