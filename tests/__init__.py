"""The tests of ullage; they read as its specification."""
