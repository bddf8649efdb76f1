//! The worker that computes on the processor: small, and every browser with WebAssembly SIMD runs it.

fn main() {
    worker::serve(protocol::Backend::Cpu);
}
