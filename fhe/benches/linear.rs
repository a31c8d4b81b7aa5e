//! Figures of the sealed query.
fn main() {}
