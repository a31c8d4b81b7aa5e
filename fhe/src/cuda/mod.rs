//! Exact ring products on CUDA devices, through cudarc: the driver and NVRTC are loaded when they are first needed, so that no
//! toolkit is needed to build, and a machine without a GPU runs the same program.
//!
//! The kernels (`ring.cu`) compute the same integers modulo 2^128 as [`linear`](crate::linear)'s own ring, so that an answer is
//! the same bit for bit, whichever device it was computed on. A test compiles them for the processor and compares.
//!
//! Matrix entries and raw products pass through the device's memory; the buffers that hold them are overwritten before they are
//! given back.

mod tables;

#[cfg(feature = "cuda")]
mod gpu;

#[cfg(feature = "cuda")]
pub(crate) use gpu::{Gpu, count};
pub(crate) use tables::Tables;

/// The kernels.
pub(crate) const SOURCE: &str = include_str!("ring.cu");
