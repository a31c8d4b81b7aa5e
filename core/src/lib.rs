//! Sealock.
