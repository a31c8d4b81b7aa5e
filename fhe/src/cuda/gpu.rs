//! The driver's side.

#![allow(unsafe_code, reason = "kernels are launched with arguments that no compiler checks")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DriverError, LaunchConfig, PushKernelArg, ValidAsZeroBits,
};
use zeroize::Zeroizing;

use super::{SOURCE, Tables};
use crate::linear::offload::RingDevice;
use crate::linear::ring::{N, PRIMES};
use crate::{Device, Error};

/// Threads of a block: each has four butterflies of a transform's layer, and the block one polynomial in its shared memory.
const THREADS: u32 = 512;
/// The most blocks of a launch; each takes several polynomials where there are more.
const MAX_BLOCKS: u32 = 1 << 20;

/// How many devices the driver knows; none where there is no driver.
pub(crate) fn count() -> usize {
    // SAFETY: asks the system's loader whether there is such a library, and runs what it runs when it is loaded.
    if !unsafe { cudarc::driver::sys::is_culib_present() } {
        return 0;
    }
    CudaContext::device_count().map_or(0, |count| usize::try_from(count).unwrap_or(0))
}

/// A device, with the kernels on it.
pub(crate) struct Gpu {
    index: usize,
    context: Arc<CudaContext>,
    kernels: Kernels,
    constants: CudaSlice<u32>,
    powers: CudaSlice<u32>,
    cofactors: CudaSlice<u64>,
    inverses: CudaSlice<f64>,
}

struct Kernels {
    prepare_large: CudaFunction,
    prepare_small: CudaFunction,
    multiply: CudaFunction,
    invert: CudaFunction,
    lift: CudaFunction,
}

impl Gpu {
    /// The device of that number, with kernels that are compiled once in a process.
    pub(crate) fn of(index: usize) -> Result<Arc<Self>, Error> {
        static OPENED: Mutex<BTreeMap<usize, Arc<Gpu>>> = Mutex::new(BTreeMap::new());
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gpu) = opened.get(&index) {
            return Ok(Arc::clone(gpu));
        }
        let gpu = Arc::new(Self::open(index)?);
        opened.insert(index, Arc::clone(&gpu));
        Ok(gpu)
    }

    fn open(index: usize) -> Result<Self, Error> {
        let missing = |why: String| Error::Device { device: Device::Cuda(index), why };
        let devices = count();
        if devices == 0 {
            return Err(missing("there is no NVIDIA driver (libcuda), or no device".into()));
        }
        if index >= devices {
            return Err(missing(format!("the driver knows {devices} devices, numbered from 0")));
        }
        // SAFETY: as in `count`.
        if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
            return Err(missing(
                "NVIDIA's run-time compiler (libnvrtc) is not there: it comes with the CUDA toolkit".into(),
            ));
        }
        let failed = |e: DriverError| missing(e.to_string());
        let context = CudaContext::new(index).map_err(failed)?;
        let ptx = cudarc::nvrtc::compile_ptx(SOURCE).map_err(|e| missing(format!("the kernels: {e}")))?;
        let module = context.load_module(ptx).map_err(failed)?;
        let load = |name| module.load_function(name).map_err(failed);
        let kernels = Kernels {
            prepare_large: load("prepare_large")?,
            prepare_small: load("prepare_small")?,
            multiply: load("multiply")?,
            invert: load("invert")?,
            lift: load("lift")?,
        };
        let (tables, stream) = (Tables::new(), context.default_stream());
        let constants = stream.clone_htod(&tables.constants).map_err(failed)?;
        let powers = stream.clone_htod(&tables.powers).map_err(failed)?;
        let cofactors = stream.clone_htod(&tables.cofactors).map_err(failed)?;
        let inverses = stream.clone_htod(&tables.inverses).map_err(failed)?;
        stream.synchronize().map_err(failed)?;
        Ok(Self { index, context, kernels, constants, powers, cofactors, inverses })
    }

    fn failed(&self, error: DriverError) -> Error {
        Error::Device { device: Device::Cuda(self.index), why: error.to_string() }
    }
}

/// One block for each of so many transforms, with one polynomial of shared memory.
fn transforms(polynomials: usize) -> LaunchConfig {
    let blocks = u32::try_from(polynomials * PRIMES.len()).unwrap_or(u32::MAX).clamp(1, MAX_BLOCKS);
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 4 * N as u32 }
}

/// One thread for each of so many values.
fn values(count: usize) -> LaunchConfig {
    let blocks = u32::try_from(count.div_ceil(THREADS as usize)).unwrap_or(u32::MAX).clamp(1, MAX_BLOCKS);
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}

/// A buffer that is overwritten before its memory is given back.
struct Wiped<T: ValidAsZeroBits + cudarc::driver::DeviceRepr>(CudaSlice<T>, Arc<CudaStream>);

impl<T: ValidAsZeroBits + cudarc::driver::DeviceRepr> Drop for Wiped<T> {
    fn drop(&mut self) {
        // In the order of its stream, after what uses it. If the device fails, nothing more can be done with it.
        let _ = self.1.memset_zeros(&mut self.0);
    }
}

impl Gpu {
    fn run_prepare(&self, coefficients: &[u128]) -> Result<CudaSlice<u32>, DriverError> {
        let stream = self.context.default_stream();
        let count = (coefficients.len() / N) as u32;
        let words: Vec<u64> = coefficients.iter().flat_map(|&c| [c as u64, (c >> 64) as u64]).collect();
        let from = stream.clone_htod(&words)?;
        let mut out = stream.alloc_zeros::<u32>(coefficients.len() * PRIMES.len())?;
        let mut launch = stream.launch_builder(&self.kernels.prepare_large);
        launch.arg(&mut out).arg(&from).arg(&self.constants).arg(&self.powers).arg(&count);
        // SAFETY: the arguments are those of the kernel, which reads `count` polynomials of 2N words, the constants and the
        // tables, and writes `count` times six of N words: the lengths of the buffers.
        unsafe { launch.launch(transforms(count as usize)) }?;
        Ok(out)
    }

    fn run_multiply(
        &self,
        large: &CudaSlice<u32>,
        small: &[i32],
        terms: usize,
    ) -> Result<Zeroizing<Vec<u128>>, DriverError> {
        // A stream of its own, so that callers on several threads do not wait for each other.
        let stream = self.context.new_stream()?;
        let words = PRIMES.len() * N;
        let count = (small.len() / N) as u32;
        let (rows, columns, terms) =
            ((large.len() / words / terms) as u32, (small.len() / N / terms) as u32, terms as u32);
        let pairs = rows as usize * columns as usize;
        let from = Wiped(stream.clone_htod(small)?, Arc::clone(&stream));
        let mut transformed = Wiped(stream.alloc_zeros::<u32>(small.len() * PRIMES.len())?, Arc::clone(&stream));
        let mut launch = stream.launch_builder(&self.kernels.prepare_small);
        launch.arg(&mut transformed.0).arg(&from.0).arg(&self.constants).arg(&self.powers).arg(&count);
        // SAFETY: as in `run_prepare`, of N words each.
        unsafe { launch.launch(transforms(count as usize)) }?;
        drop(from);
        let mut sums = Wiped(stream.alloc_zeros::<u32>(pairs * words)?, Arc::clone(&stream));
        let mut launch = stream.launch_builder(&self.kernels.multiply);
        launch
            .arg(&mut sums.0)
            .arg(large)
            .arg(&transformed.0)
            .arg(&self.constants)
            .arg(&rows)
            .arg(&columns)
            .arg(&terms);
        // SAFETY: it reads rows·terms and columns·terms transforms, and writes rows·columns.
        unsafe { launch.launch(values(pairs * words)) }?;
        drop(transformed);
        let count = pairs as u32;
        let mut launch = stream.launch_builder(&self.kernels.invert);
        launch.arg(&mut sums.0).arg(&self.constants).arg(&self.powers).arg(&count);
        // SAFETY: it reads and writes `count` transforms.
        unsafe { launch.launch(transforms(pairs)) }?;
        let mut lifted = Wiped(stream.alloc_zeros::<u64>(2 * pairs * N)?, Arc::clone(&stream));
        let mut launch = stream.launch_builder(&self.kernels.lift);
        launch.arg(&mut lifted.0).arg(&sums.0).arg(&self.cofactors).arg(&self.inverses).arg(&count);
        // SAFETY: it reads `count` sums and seven cofactors, and writes two words for each coefficient.
        unsafe { launch.launch(values(pairs * N)) }?;
        let out = Zeroizing::new(stream.clone_dtoh(&lifted.0)?);
        stream.synchronize()?;
        Ok(Zeroizing::new(out.chunks_exact(2).map(|two| u128::from(two[0]) | u128::from(two[1]) << 64).collect()))
    }
}

impl RingDevice for Gpu {
    type Operands = CudaSlice<u32>;

    fn room(&self) -> Result<u64, Error> {
        let (free, _) = self.context.mem_get_info().map_err(|e| self.failed(e))?;
        Ok(free as u64)
    }

    fn prepare(&self, coefficients: &[u128]) -> Result<Self::Operands, Error> {
        let prepared = self.run_prepare(coefficients);
        // Before another stream reads it.
        let prepared = prepared.and_then(|out| self.context.default_stream().synchronize().map(|()| out));
        prepared.map_err(|e| self.failed(e))
    }

    fn multiply(&self, large: &Self::Operands, small: &[i32], terms: usize) -> Result<Zeroizing<Vec<u128>>, Error> {
        self.run_multiply(large, small, terms).map_err(|e| self.failed(e))
    }

    fn too_small(&self, needed: u64, room: u64) -> Error {
        let why = format!("its memory has room for {room} bytes, and {needed} are needed at the least");
        Error::Device { device: Device::Cuda(self.index), why }
    }
}
