//! Which device trains and samples: chosen by name, and said aloud.
//!
//! `auto` tries CUDA, then WGPU, then the CPU; the first two only in a build with their cargo feature. A candidate
//! counts as working when it multiplies two small matrices and the answer is right.

use burn::tensor::{Device, Tensor};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

/// A device by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first that works of CUDA, WGPU and the CPU.
    Auto,
    /// An NVIDIA GPU by index.
    Cuda(usize),
    /// The default adapter of WGPU.
    Wgpu,
    /// Burn's own CPU backend, Flex.
    Cpu,
    /// LibTorch on the CPU.
    Torch,
}

/// A device that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No such name.
    #[error("unknown device `{0}`; accepted are auto, cuda, cuda:N, wgpu, cpu, torch")]
    Unknown(String),
    /// The program was built without it.
    #[error(
        "this build has no {device} support; build again with `cargo build --release -p trainer --features {feature}`"
    )]
    NotBuilt {
        /// The device asked for.
        device: &'static str,
        /// The cargo feature that adds it.
        feature: &'static str,
    },
    /// It is there in the build but does not work on this machine.
    #[error("{device} does not work here: {why}")]
    NotWorking {
        /// The device asked for.
        device: String,
        /// What went wrong.
        why: String,
    },
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cuda" => Ok(Self::Cuda(0)),
            "wgpu" => Ok(Self::Wgpu),
            "cpu" => Ok(Self::Cpu),
            "torch" => Ok(Self::Torch),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Wgpu => f.write_str("wgpu"),
            Self::Cpu => f.write_str("cpu"),
            Self::Torch => f.write_str("torch"),
        }
    }
}

/// A device that answered, and a sentence that says which and why.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The device, gradients off.
    pub device: Device,
    /// Which one it is: never `Auto`.
    pub choice: DeviceChoice,
    /// For example: `cpu (Flex); cuda is not in this build, wgpu is not in this build`.
    pub description: String,
}

impl DeviceChoice {
    /// Opens the device and proves that it computes.
    ///
    /// # Errors
    /// When the device asked for is not in this build or does not work here. `auto` always ends at the CPU.
    pub fn open(&self) -> Result<Opened, DeviceError> {
        let described = |device, choice: &Self, why: &str| Opened {
            device,
            choice: choice.clone(),
            description: format!("{}{why}", choice.label()),
        };
        if *self != Self::Auto {
            return Ok(described(self.try_open()?, self, ""));
        }
        let mut refusals = Vec::new();
        for candidate in [Self::Cuda(0), Self::Wgpu, Self::Cpu] {
            match candidate.try_open() {
                Ok(device) => {
                    let why: String = refusals.iter().map(|r| format!("; {r}")).collect();
                    return Ok(described(device, &candidate, &why));
                }
                Err(DeviceError::NotBuilt { device, .. }) => {
                    refusals.push(format!("{device} is not in this build"));
                }
                Err(error) => refusals.push(error.to_string()),
            }
        }
        Err(DeviceError::NotWorking { device: "auto".into(), why: refusals.join("; ") })
    }

    /// The name with the backend behind it.
    pub fn label(&self) -> String {
        match self {
            Self::Cpu => "cpu (Flex)".into(),
            Self::Torch => "torch (LibTorch on the CPU)".into(),
            other => other.to_string(),
        }
    }

    /// The NVIDIA GPU that it may be, by index, for its load to be shown. WGPU does not tell which it took.
    pub fn nvidia_index(&self) -> Option<usize> {
        match self {
            Self::Cuda(n) => Some(*n),
            Self::Wgpu => Some(0),
            Self::Auto | Self::Cpu | Self::Torch => None,
        }
    }

    fn try_open(&self) -> Result<Device, DeviceError> {
        let make: Box<dyn Fn() -> Device> = match self {
            Self::Auto | Self::Cpu => Box::new(Device::flex),
            Self::Cuda(_n) => {
                #[cfg(not(feature = "cuda"))]
                return Err(DeviceError::NotBuilt { device: "cuda", feature: "cuda" });
                #[cfg(feature = "cuda")]
                {
                    let n = *_n;
                    Box::new(move || Device::cuda(n))
                }
            }
            Self::Wgpu => {
                #[cfg(not(feature = "wgpu"))]
                return Err(DeviceError::NotBuilt { device: "wgpu", feature: "wgpu" });
                #[cfg(feature = "wgpu")]
                Box::new(|| Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
            }
            Self::Torch => {
                #[cfg(not(feature = "tch"))]
                return Err(DeviceError::NotBuilt { device: "torch", feature: "tch" });
                // Deprecated, gone in Burn 0.23; until then three times as fast as Flex to train.
                #[cfg(feature = "tch")]
                #[allow(deprecated)]
                Box::new(Device::libtorch)
            }
        };
        // Backends panic where no driver or adapter is found; that is an answer here, not a crash.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let device = make();
            let a = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
            let sum = a.clone().matmul(a).sum().into_scalar::<f32>();
            (device, sum)
        }));
        std::panic::set_hook(hook);
        let broken = |why: String| DeviceError::NotWorking { device: self.to_string(), why };
        match outcome {
            Ok((device, sum)) if (sum - 54.0).abs() < 1e-3 => Ok(device),
            Ok((_, sum)) => Err(broken(format!("a 2x2 product summed to {sum} instead of 54"))),
            Err(panic) => {
                let why = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                    .unwrap_or_else(|| "no driver or no adapter was found".into());
                Err(broken(why.lines().next().unwrap_or_default().to_owned()))
            }
        }
    }
}

/// The machine's processor and its cores, for a run's facts: `AMD EPYC, 2 cores`.
pub fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, n)| n.trim());
    format!("{}, {cores} cores", name.unwrap_or(std::env::consts::ARCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for text in ["auto", "wgpu", "cpu", "torch", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert_eq!("gpu".parse::<DeviceChoice>(), Err(DeviceError::Unknown("gpu".into())));
        assert_eq!("cuda:x".parse::<DeviceChoice>(), Err(DeviceError::Unknown("cuda:x".into())));
    }

    #[test]
    fn auto_opens_something_and_says_what() {
        let opened = DeviceChoice::Auto.open().unwrap();
        assert_ne!(opened.choice, DeviceChoice::Auto);
        assert!(!opened.description.is_empty());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_is_not_in_the_build_names_the_feature() {
        let error = DeviceChoice::Cuda(0).open().unwrap_err();
        assert_eq!(error, DeviceError::NotBuilt { device: "cuda", feature: "cuda" });
        assert!(error.to_string().contains("--features cuda"));
    }
}
