//! The one device of this program.

use burn::tensor::Device;
use protocol::{Backend, Fault};

/// Opens the device. On the GPU this must happen once, before any tensor exists; the page has looked at the
/// adapter beforehand, because some lacks end in a panic there and not in an error.
pub(crate) async fn open(backend: Backend) -> Result<Device, Fault> {
    match backend {
        #[cfg(feature = "cpu")]
        Backend::Cpu => Ok(Device::flex()),
        #[cfg(feature = "gpu")]
        Backend::Gpu => Device::wgpu_options()
            .init_async()
            .await
            .map_err(|error| Fault::Device { what: error.to_string() }),
        #[allow(unreachable_patterns)]
        other => Err(Fault::Device { what: format!("this program was built without the {}", other.label()) }),
    }
}
