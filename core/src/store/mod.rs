//! Content-addressed block stores.
