//! A manifest from anybody.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealock::Address;
use sealock::envelope::Manifest;

fuzz_target!(|data: &[u8]| {
    let _ = Manifest::decode(data, Address::ZERO);
});
