//! Envelope benchmark.
fn main() {}
