//! See `programs/src/erased/mod.rs`: what such a program does, and what is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hereafter_fuzz_programs::Target::Erased.run(bytes);
});
