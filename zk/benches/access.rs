//! Times of proving, verifying and loading keys.
fn main() {}
