//! What computes.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// What computes: the processor, or a GPU by its number. What is asked for is what computes, or an error says why it cannot:
/// nothing falls back to another silently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Device {
    /// All cores of the processor.
    #[default]
    Cpu,
    /// A CUDA device, in the numbering of the driver (`CUDA_VISIBLE_DEVICES` included). Products need the feature `cuda`, and on
    /// the machine NVIDIA's driver and the library NVRTC; bootstraps need the feature `gpu`, see
    /// [`Evaluator::on`](crate::table::Evaluator::on).
    Cuda(usize),
}

impl Device {
    /// Every device that products can be computed on here, the processor last. GPUs for bootstraps are
    /// [`Evaluator::gpus`](crate::table::Evaluator::gpus).
    pub fn all() -> Vec<Device> {
        #[cfg(feature = "cuda")]
        let gpus = (0..crate::cuda::count()).map(Device::Cuda).filter(|device| device.check().is_ok());
        #[cfg(not(feature = "cuda"))]
        let gpus = std::iter::empty();
        gpus.chain([Device::Cpu]).collect()
    }

    /// The first GPU that can be used, or the processor where there is none. Its name, which receipts give, says which it was.
    pub fn auto() -> Device {
        Self::all()[0]
    }

    /// Whether products can be computed on it.
    ///
    /// # Errors
    /// [`Error::Device`], which says what is missing.
    pub fn check(self) -> Result<(), Error> {
        match self {
            Device::Cpu => Ok(()),
            #[cfg(feature = "cuda")]
            Device::Cuda(index) => crate::cuda::Gpu::of(index).map(drop),
            #[cfg(not(feature = "cuda"))]
            Device::Cuda(_) => {
                Err(Error::Device { device: self, why: "this build has no CUDA (feature `cuda`)".into() })
            }
        }
    }
}

/// `cpu`, `cuda:0`.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// Reads `cpu`, `cuda:0`, and `auto` as [`Device::auto`].
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "cpu" => Ok(Device::Cpu),
            "auto" => Ok(Device::auto()),
            _ => {
                let digits = text.strip_prefix("cuda:").filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                let index = digits.and_then(|digits| digits.parse().ok());
                index.map(Device::Cuda).ok_or_else(|| Error::NoDevice { got: text.chars().take(40).collect() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_what_its_name_says_and_never_another() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(12)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for bad in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:+1", "CPU", "cuda:99999999999999999999"] {
            assert!(matches!(bad.parse::<Device>(), Err(Error::NoDevice { .. })), "{bad}");
        }
        assert_eq!(Device::all().last(), Some(&Device::Cpu));
        assert_eq!("auto".parse(), Ok(Device::auto()));
        assert!(Device::auto().check().is_ok() && Device::Cpu.check().is_ok());
        // No machine has so many.
        let missing = Device::Cuda(4096);
        assert!(matches!(missing.check(), Err(Error::Device { device, .. }) if device == missing));
    }
}
