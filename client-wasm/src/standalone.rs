//! What the standard library would otherwise bring, for the npm build.
//!
//! Its panic handler can format every message and its allocator is made for servers. Together they were
//! half of the download.

/// A panic is a defect. It ends the instance with a trap, which JavaScript sees as a `RuntimeError`.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
