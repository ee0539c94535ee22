"""A model-based random test of session semantics; see README.md beside this file."""
