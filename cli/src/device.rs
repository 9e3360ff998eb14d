//! Where tensors live.

use clap::ValueEnum;
use viral::prelude::Device;
use viral::{Error, Result};

/// The kinds of device that a command line names.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum DeviceName {
    Flex,
    Wgpu,
    Cuda,
}

/// Fails where a kind of device has no adapter: the backend itself would panic at the first tensor.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn adapter(kind: burn::tensor::DeviceType, needs: &str) -> Result<()> {
    match Device::enumerate(kind).into_vec().is_empty() {
        true => Err(Error::Config(format!("there is no adapter for --device: it takes {needs}"))),
        false => Ok(()),
    }
}

impl DeviceName {
    /// The device of that name.
    ///
    /// # Errors
    /// If there is none, or the program was built without it.
    pub(crate) fn open(self) -> Result<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => {
                adapter(burn::tensor::DeviceType::Wgpu, "a driver of Vulkan, Metal or DirectX 12")?;
                Ok(Device::wgpu(Default::default()))
            }
            #[cfg(feature = "cuda")]
            Self::Cuda => {
                adapter(burn::tensor::DeviceType::Cuda, "NVIDIA's driver and a GPU of theirs")?;
                Ok(Device::cuda(0))
            }
            #[allow(unreachable_patterns)] // reached when a feature is off
            other => {
                let name = other.to_possible_value().map_or_else(String::new, |v| v.get_name().to_string());
                let message = format!("this program was built without {name}; build it with `--features {name}`");
                Err(Error::Config(message))
            }
        }
    }
}
