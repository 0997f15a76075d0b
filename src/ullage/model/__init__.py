"""Frozen values that flow through ullage. Bytes are allocated bytes, times epoch seconds UTC."""
