//! See `programs/src/deferred/mod.rs`: what such a program does, and what is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hereafter_fuzz_programs::Target::Deferred.run(bytes);
});
