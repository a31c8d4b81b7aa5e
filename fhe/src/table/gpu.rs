//! Lanes on NVIDIA's GPUs: the kernels of tfhe-rs's CUDA backend, called below what tfhe-rs makes of them, because its own
//! functions give back one coefficient of a turned ring element and masking needs [`BOXES`] of them. The kernels extract
//! several from one rotation, at multiples of a stride (`num_many_lut`, `lut_stride`), and take encrypted ring elements, one
//! for each row (`lut_vector_indexes`).
//!
//! Everything that a lane needs is allocated when it is made, so that what does not fit is an error then. What fails on a
//! device later than that, and a binary that was built for another architecture than the device's, ends the process: the
//! backend checks each call of CUDA, and calls `abort`.

#![allow(unsafe_code, reason = "kernels are launched with pointers and lengths that no compiler checks")]

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::{Arc, Mutex, PoisonError},
};

use tfhe::core_crypto::{
    gpu::{
        CudaStreams, check_valid_cuda_malloc, convert_lwe_keyswitch_key_async,
        convert_lwe_programmable_bootstrap_key_async, get_number_of_gpus, get_programmable_bootstrap_size_on_gpu,
        is_cuda_available,
        lwe_bootstrap_key::CudaModulusSwitchNoiseReductionConfiguration,
        vec::{CudaVec, GpuIndex},
    },
    prelude::*,
};
use tfhe_cuda_backend::{bindings, cuda_bind};

use super::{
    ROWS_PER_CHUNK,
    bootstrap::Digits,
    evaluate::ELEMENT,
    key::{EvaluationKey, decomposition},
    lanes::{CIPHERTEXT, Lane, Lanes},
    params::{BOX, BOXES, GLWE_SIZE, N, POLY, SET, SMALL},
};
use crate::{Device, Error};

/// Lanes of a GPU.
const LANES: usize = 3;
/// Words of the key-switching key.
const SWITCH_LEN: usize = N * SET.ks_level.0 * (SMALL + 1);
/// The oldest GPUs that the backend's key switch runs on, as the major number of their compute capability. All GPUs that the
/// process sees must be as new.
const OLDEST: c_int = 8;

/// Values of the CUDA runtime's enumerations.
const COMPUTE_CAPABILITY_MAJOR: c_int = 75;
const DEVICE_TO_DEVICE: c_int = 3;

// SAFETY: these are the signatures of the CUDA runtime, which the backend is linked with; an enumeration is an `int`.
unsafe extern "C" {
    #[link_name = "cudaMemcpy2DAsync"]
    fn copy_strided(
        to: *mut c_void,
        to_pitch: usize,
        from: *const c_void,
        from_pitch: usize,
        width: usize,
        height: usize,
        kind: c_int,
        stream: *mut c_void,
    ) -> c_int;

    #[link_name = "cudaDeviceGetAttribute"]
    fn attribute(value: *mut c_int, attribute: c_int, device: c_int) -> c_int;
}

/// How many GPUs the CUDA runtime knows; none where there is no driver.
pub(crate) fn count() -> usize {
    // To ask for the number where there is none ends the process.
    if is_cuda_available() { get_number_of_gpus() as usize } else { 0 }
}

/// Whether bootstraps run on a GPU.
pub(crate) fn check(index: usize) -> Result<(), Error> {
    let missing = |why: String| Err(Error::Device { device: Device::Cuda(index), why });
    let gpus = count();
    if gpus == 0 {
        return missing("there is no NVIDIA driver that the CUDA runtime of this build can use, or no device".into());
    }
    if index >= gpus {
        return missing(format!("the CUDA runtime knows {gpus} devices, numbered from 0"));
    }
    for gpu in 0..gpus {
        let mut major = 0;
        // SAFETY: it writes one integer.
        let code = unsafe { attribute(&raw mut major, COMPUTE_CAPABILITY_MAJOR, gpu as c_int) };
        if code != 0 || major < OLDEST {
            return missing(format!(
                "the key switch of tfhe-rs needs GPUs of compute capability {OLDEST}.0 or more, and cuda:{gpu} has {major}.x; \
                 CUDA_VISIBLE_DEVICES hides GPUs"
            ));
        }
    }
    Ok(())
}

/// Copies the key to each of these GPUs, and makes lanes on them.
pub(crate) fn open(key: &EvaluationKey, indices: &[usize]) -> Result<Lanes<Cuda>, Error> {
    for &index in indices {
        check(index)?;
    }
    let switch = key.expand_switch();
    let bootstraps = [Digits::Coarse, Digits::Fine].map(|digits| (digits, key.expand_bootstrap(digits)));
    // The backend sets itself up in the first call that needs a device, which no other may overtake.
    static OPENING: Mutex<()> = Mutex::new(());
    let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let of_device = |&index: &usize| {
        let gpu = GpuIndex::new(index as u32);
        let stream = CudaStreams::new_single_gpu(gpu);
        // The fine key is there twice while it is transformed.
        let needed = 8 * (SWITCH_LEN + key_len(Digits::Coarse) + 2 * key_len(Digits::Fine)) as u64
            + LANES as u64 * Cuda::bytes(&stream);
        if !check_valid_cuda_malloc(needed, gpu) {
            let why = format!("its memory has no room for {needed} bytes");
            return Err(Error::Device { device: Device::Cuda(index), why });
        }
        let [coarse, fine] = bootstraps.each_ref().map(|(digits, key)| bootstrap_key(*digits, key, &stream));
        let keys = Arc::new(Keys { switch: switch_key(&switch, &stream), coarse, fine });
        Ok((0..LANES).map(|_| Cuda::new(&keys, gpu)).collect())
    };
    Ok(Lanes::new(indices.iter().map(of_device).collect::<Result<_, _>>()?))
}

/// Floating-point numbers of a bootstrapping key.
fn key_len(digits: Digits) -> usize {
    SMALL * decomposition(digits).1.0 * GLWE_SIZE.0 * GLWE_SIZE.0 * N
}

fn switch_key(key: &LweKeyswitchKeyOwned<u64>, stream: &CudaStreams) -> CudaVec<u64> {
    assert_eq!(key.as_ref().len(), SWITCH_LEN);
    let mut copy = CudaVec::new(SWITCH_LEN, stream, 0);
    // SAFETY: the copy is as long as the key, and is done when this returns.
    unsafe { convert_lwe_keyswitch_key_async(stream, &mut copy, key.as_ref()) };
    stream.synchronize();
    copy
}

fn bootstrap_key(digits: Digits, key: &LweBootstrapKeyOwned<u64>, stream: &CudaStreams) -> CudaVec<f64> {
    assert_eq!(key.as_ref().len(), key_len(digits));
    let mut copy = CudaVec::new(key_len(digits), stream, 0);
    let (dimension, level) = (SET.lwe_dimension, decomposition(digits).1);
    let glwe = GLWE_SIZE.to_glwe_dimension();
    // SAFETY: it reads `key_len` words, writes as many numbers, and is done when this returns.
    unsafe {
        convert_lwe_programmable_bootstrap_key_async(stream, &mut copy, key.as_ref(), dimension, glwe, level, POLY);
    }
    stream.synchronize();
    copy
}

/// An evaluation key on a GPU.
struct Keys {
    switch: CudaVec<u64>,
    coarse: CudaVec<f64>,
    fine: CudaVec<f64>,
}

/// What the bootstrap keeps between its kernels, for up to [`ROWS_PER_CHUNK`] rows.
struct Scratch(*mut i8);

// SAFETY: it is memory of the backend that belongs to one lane.
unsafe impl Send for Scratch {}

/// A lane of a GPU: a stream, with buffers for [`ROWS_PER_CHUNK`] rows.
pub(crate) struct Cuda {
    keys: Arc<Keys>,
    coarse: Scratch,
    fine: Scratch,
    /// 0, 1, 2, …
    own: CudaVec<u64>,
    /// Zeros.
    first: CudaVec<u64>,
    big: CudaVec<u64>,
    small: CudaVec<u64>,
    elements: CudaVec<u64>,
    /// For each multiple of a box's width, a ciphertext of each row.
    extracted: CudaVec<u64>,
    bodies: CudaVec<u64>,
    /// Rows in `small`.
    rows: usize,
    stream: CudaStreams,
}

impl Cuda {
    /// Memory of a lane.
    fn bytes(stream: &CudaStreams) -> u64 {
        let words = 2 + CIPHERTEXT + (SMALL + 1) + ELEMENT + BOXES * CIPHERTEXT + BOXES;
        let scratch = |digits| {
            let (dimension, glwe, level) = (SET.lwe_dimension, GLWE_SIZE.to_glwe_dimension(), decomposition(digits).1);
            let centered = CudaModulusSwitchNoiseReductionConfiguration::Centered;
            let rows = ROWS_PER_CHUNK as u32;
            get_programmable_bootstrap_size_on_gpu(stream, dimension, glwe, POLY, level, rows, Some(&centered))
        };
        8 * (words * ROWS_PER_CHUNK) as u64 + scratch(Digits::Coarse) + scratch(Digits::Fine)
    }

    fn new(keys: &Arc<Keys>, gpu: GpuIndex) -> Self {
        let stream = CudaStreams::new_single_gpu(gpu);
        let buffer = |words: usize| CudaVec::new(words * ROWS_PER_CHUNK, &stream, 0);
        let scratch = |digits| {
            let (mut scratch, level) = (ptr::null_mut(), decomposition(digits).1.0 as u32);
            // SAFETY: it writes the pointer. The stream is of this GPU.
            unsafe {
                bindings::scratch_cuda_programmable_bootstrap_64_async(
                    stream.ptr[0],
                    gpu.get(),
                    &raw mut scratch,
                    SMALL as u32,
                    GLWE_SIZE.to_glwe_dimension().0 as u32,
                    N as u32,
                    level,
                    ROWS_PER_CHUNK as u32,
                    true,
                    bindings::PBS_MS_REDUCTION_T_CENTERED,
                );
            }
            Scratch(scratch)
        };
        let indices: Vec<u64> = (0..ROWS_PER_CHUNK as u64).collect();
        let mut own = buffer(1);
        // SAFETY: as many words as the buffer has; they stay until the copy is done, which is waited for.
        unsafe { own.copy_from_cpu_async(&indices, &stream, 0) };
        let lane = Self {
            keys: Arc::clone(keys),
            coarse: scratch(Digits::Coarse),
            fine: scratch(Digits::Fine),
            own,
            first: buffer(1),
            big: buffer(CIPHERTEXT),
            small: buffer(SMALL + 1),
            elements: buffer(ELEMENT),
            extracted: buffer(BOXES * CIPHERTEXT),
            bodies: buffer(BOXES),
            rows: 0,
            stream,
        };
        lane.stream.synchronize();
        lane
    }

    fn gpu(&self) -> u32 {
        self.stream.gpu_indexes[0].get()
    }

    /// What was switched.
    #[cfg(test)]
    pub fn switched(&self) -> Vec<u64> {
        self.download(&self.small, self.rows * (SMALL + 1))
    }

    /// Turns ring elements by what was switched, the first or each row its own, and extracts so many coefficients of each.
    /// Both are on their way when this returns, in the order of the stream.
    fn rotate(&mut self, digits: Digits, elements: &[u64], each: bool, coefficients: usize) {
        assert_eq!(elements.len(), if each { self.rows * ELEMENT } else { ELEMENT });
        assert!((1..=BOXES).contains(&coefficients));
        let (base, level) = decomposition(digits);
        let (key, scratch) = match digits {
            Digits::Coarse => (&self.keys.coarse, &self.coarse),
            Digits::Fine => (&self.keys.fine, &self.fine),
        };
        let of = if each { &self.own } else { &self.first };
        // SAFETY: of the buffers it reads `rows` ciphertexts under the small key and the ring elements that the indices name,
        // and writes `coefficients` times `rows` ciphertexts; they have room for all rows of a chunk, and for all boxes. The
        // key and the scratch are of these parameters, the scratch for as many rows and of this lane alone. All are of the
        // stream's GPU. The caller waits for the stream before `elements` is gone.
        unsafe {
            self.elements.copy_from_cpu_async(elements, &self.stream, 0);
            bindings::cuda_programmable_bootstrap_64_async(
                self.stream.ptr[0],
                self.gpu(),
                self.extracted.ptr[0],
                self.own.ptr[0],
                self.elements.ptr[0],
                of.ptr[0],
                self.small.ptr[0],
                self.own.ptr[0],
                key.ptr[0],
                scratch.0,
                SMALL as u32,
                GLWE_SIZE.to_glwe_dimension().0 as u32,
                N as u32,
                base.0 as u32,
                level.0 as u32,
                self.rows as u32,
                coefficients as u32,
                BOX as u32,
            );
        }
    }

    /// The first words of a buffer, after all that was asked of the stream before.
    fn download(&self, from: &CudaVec<u64>, len: usize) -> Vec<u64> {
        assert!(len <= from.len());
        let mut words = vec![0; len];
        // SAFETY: both have `len` words, and the copy is done when this returns.
        unsafe {
            let (to, from, bytes) = (words.as_mut_ptr().cast(), from.ptr[0].cast_const(), 8 * len as u64);
            cuda_bind::cuda_memcpy_async_to_cpu(to, from, bytes, self.stream.ptr[0], self.gpu());
        }
        self.stream.synchronize();
        words
    }
}

impl Lane for Cuda {
    fn switch(&mut self, big: &[u64]) {
        self.rows = big.len() / CIPHERTEXT;
        assert!(self.rows * CIPHERTEXT == big.len() && (1..=ROWS_PER_CHUNK).contains(&self.rows));
        // SAFETY: it reads `rows` ciphertexts and writes as many, in order; the buffers have room for all rows of a chunk, and
        // the key is of these parameters. All are of the stream's GPU, and done when this returns.
        unsafe {
            self.big.copy_from_cpu_async(big, &self.stream, 0);
            bindings::cuda_keyswitch_gemm_64_64_async(
                self.stream.ptr[0],
                self.gpu(),
                self.small.ptr[0],
                self.own.ptr[0],
                self.big.ptr[0],
                self.own.ptr[0],
                self.keys.switch.ptr[0],
                N as u32,
                SMALL as u32,
                SET.ks_base_log.0 as u32,
                SET.ks_level.0 as u32,
                self.rows as u32,
                true,
            );
        }
        self.stream.synchronize();
    }

    fn constants(&mut self, digits: Digits, element: &[u64]) -> Vec<u64> {
        self.rotate(digits, element, false, 1);
        self.download(&self.extracted, self.rows * CIPHERTEXT)
    }

    fn boxes(&mut self, elements: &[u64]) -> (Vec<u64>, Vec<u64>) {
        self.rotate(Digits::Fine, elements, true, BOXES);
        // SAFETY: of each of the `BOXES` times `rows` ciphertexts that were extracted it copies the last word.
        let code = unsafe {
            let (from, to) = (self.extracted.ptr[0].wrapping_byte_add(8 * N), self.bodies.ptr[0]);
            let height = BOXES * self.rows;
            copy_strided(to, 8, from, 8 * CIPHERTEXT, 8, height, DEVICE_TO_DEVICE, self.stream.ptr[0])
        };
        let constants = self.download(&self.extracted, self.rows * CIPHERTEXT);
        assert_eq!(code, 0, "the CUDA runtime refused to copy");
        (constants, self.download(&self.bodies, BOXES * self.rows))
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        for scratch in [&mut self.coarse, &mut self.fine] {
            // SAFETY: it was made for this stream, whose work is done, and is freed once.
            unsafe {
                bindings::cleanup_cuda_programmable_bootstrap_64(
                    self.stream.ptr[0],
                    self.stream.gpu_indexes[0].get(),
                    &raw mut scratch.0,
                );
            }
        }
        self.stream.synchronize();
    }
}
