//! Measurements: each file beside this one is a benchmark, and says what it compares and how to run it.
