//! The worker that computes on the graphics processor, through WebGPU.

fn main() {
    worker::serve(protocol::Backend::Gpu);
}
